# For interactive shells of bash; your own settings go into ~/.bashrc.
[ -z "$PS1" ] && return
shopt -s checkwinsize histappend
HISTCONTROL=ignoredups
HISTSIZE=10000
HISTFILESIZE=20000
PS1='\u@\h:\w\$ '
alias ls='ls --color=auto'
alias grep='grep --color=auto'
