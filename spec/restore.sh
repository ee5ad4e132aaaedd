#!/bin/sh
# restore.sh [--devices] STORE SNAPSHOT TARGET: restores a snapshot as root, without HomePort, by store.md.
# SNAPSHOT is a file of STORE/snapshots. Makes TARGET, a directory for each volume; needs twice the space meanwhile.
# Ends with 0 if everything is there, with 3 if it left out something, which it names, else do not use what it made.
# shellcheck disable=SC2015,SC2034,SC2059,SC2086 # names are written as printf reads them; no field has a blank in it
set -euf; umask 077; export LC_ALL=C; status=0; devices='[CB]'; stack=; held=; newline='
'
die() { printf 'restore.sh: %s\n' "$*" >&2; exit 1; }
left() { printf 'restore.sh: left out: %s\n' "$*" >&2; status=3; }
bytes() { case $1 in *\\*) b=$(printf "./$1."); b=${b%.} ;; *) b=./$1 ;; esac; } # the point keeps a newline at the end
meta() { # KIND MODE UID GID TIME ATTRIBUTES PATH, of $b; in this order: chown takes set-id bits and capabilities away
    case $1 in i) ;; l) chown -h "+$3:+$4" "$b" ;; *) chown "+$3:+$4" "$b"; chmod "0$2" "$b" ;; esac; list=$6,; file=$b
    while [ -n "$list" ]; do one=${list%%,*}; list=${list#*,}; case $one in
        a:*) printf '%s %s\n' "${one#a:}" "$7" >>"$work/flags" ;;
        x:*) bytes "${one%=0x*}"; xattr=${b#./x:}
            setfattr -h -n "$xattr" -v "0x${one##*=0x}" "$file" || left "attribute $xattr of $7" ;;
    esac; done; b=$file; touch -h -m -d "@$5" "$b"; }
settle() { [ -z "$held" ] || meta $held; held=; } # a file, when all its pieces are written
leave() { b=.; meta ${stack%%"$newline"*} "$here"; stack=${stack#*"$newline"}; cd -P ..; here=${here%/*}; } # when full
enter() { bytes "${1%%/*}"; case $1 in */*) cd -P "$b"; enter "${1#*/}" ;; esac; } # the directories of a path
[ "${1-}" != --devices ] || { devices=-; shift; }
[ $# = 3 ] && [ "$(id -u)" = 0 ] || die "wanted, as root: restore.sh [--devices] STORE SNAPSHOT TARGET"
[ "$(head -n 1 "$2")" = "homeport-snapshot 1" ] || die "no file of STORE/snapshots, or of another version: $2"
[ "$(tail -n 1 "$2")" = "sha256 $(head -n -1 "$2" | sha256sum | cut -c -64)" ] || die "damaged: $2"
store=$(cd "$1"; pwd); mkdir "$3"; setfattr -x system.posix_acl_default "$3" 2>/dev/null || :
mkdir "$3/.work"; sed -n 's/^volume //p' "$2" >"$3/.work/volumes"
cd -P "$3"; root=$PWD; work=$root/.work; trap 'rm -rf "$work"' EXIT
while read -r volume _ _ _ _ _ _ id _; do
    rm -rf "$work/objects"; mkdir "$work/objects"; text=$store/entries/$id.entries; : >"$work/flags"
    if [ -e "$text" ]; then cat "$text"; else zstd -dcq "$text.zst"; fi >"$work/text"
    [ "$(sha256sum <"$work/text") $(head -n 1 "$work/text")" = "$id  - homeport-entries 1" ] || die "damaged: $text"
    ! grep "^$devices" "$work/text" || die "the above are devices, which are made only with --devices"
    awk '$1 == "c" { print $3, $4 } $1 == "f" && $9 !~ /^[-+]$/ { print $8, $9 }' "$work/text" | sort -u >"$work/want"
    find "$store/packs" -name '*.tar' >"$work/packs"; while read -r pack; do
        tar -tf "$pack" | awk 'NR == FNR { id[$2]; next } substr($0, 1, 64) in id' "$work/want" - >"$work/members"
        [ -s "$work/members" ] || continue; cd "$work"; rm -rf new; mkdir new; cd new; tar xf "$pack" -T ../members || :
        find . -name '*.zst' -print0 | xargs -0 -r zstd -dqf --rm || :
        find . -type f -print0 | xargs -0 -r sha256sum | awk '"./" $1 == $2 { print $1 }' | xargs -r mv -f -t ../objects
    done <"$work/packs"; cd "$work/objects" # another pack may have a whole copy of what is damaged in one
    ! find . -type f -printf '%s %f\n' | sort | comm -13 - "$work/want" | grep . || die "missing or damaged: the above"
    sed '1d; $d' "$work/text" | awk -v v="$volume" '{ print $NF == "." ? v : v "/" $NF, $0 }' >"$work/plan"
    cd "$root"; here=.; while read -r path kind mode uid gid time attributes key x y _; do
        [ "$kind" != c ] || { dd if="$work/objects/$gid" of="$b" bs=1M seek="$mode" $into; continue; }
        settle; to=./$path; while [ "$here" != "${to%/*}" ]; do leave; done; bytes "${to##*/}"
        [ "$b" = "./${b##*/}" ] && [ ! -e "$b" ] && [ ! -h "$b" ] || die "wrong name: $path"
        new="$kind $mode $uid $gid $time $attributes"; case $kind$y in
            d*) mkdir "$b"; cd -P "$b"; here=$to; stack=$new$newline$stack; continue ;;
            h*) (cd "$root"; enter "$volume/$mode"; ln "$b" "$work/link"); mv "$work/link" "$b"; continue ;;
            f[-+]) truncate -s "$x" "$b"; into='oflag=seek_bytes conv=notrunc status=none'; held="$new $to"; continue ;;
            f*) install -T -o "+$uid" -g "+$gid" -m "0$mode" "$work/objects/$y" "$b"; new=i${new#f} ;;
            l*) file=$b; bytes "$x"; ln -s -- "${b#./}" "$file"; b=$file ;;
            s*) (cd "$work"; perl -MSocket -e 'socket S, 1, 1, 0; exit !bind S, sockaddr_un "link"') ||
                { left "socket $path"; continue; }; mv "$work/link" "$b" ;;
            p*) mkfifo "$b" ;; C*) mknod "$b" c "$x" "$y" ;; B*) mknod "$b" b "$x" "$y" ;; *) die "unknown: $kind" ;;
        esac; meta $new "$to"
    done <"$work/plan"; settle; while [ "$here" != . ]; do leave; done; tac "$work/flags" >"$work/last"
    while read -r hex path; do cd "$root"; enter "$path"; f=+; for one in 0x20a 0x10i 0x40d 0x80A 0x08S; do
        [ $((0x$hex & ${one%?})) = 0 ] || f=$f${one#????}
    done; chattr "$f" "$b" || left "flags of $path"; done <"$work/last"
done <"$work/volumes"; exit "$status"
