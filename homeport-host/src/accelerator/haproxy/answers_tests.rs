//! The reading of what a haproxy 2.6 answered, word for word.

use proptest::prelude::*;

use super::*;

const SERVERS: &str = "\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port
3 r 1 n1 127.0.0.1 2 12 1 1 0 1 0 0 8 0 0 1 - 56673 - 0 0 - - 0
3 r 2 n2 0.0.0.0 0 5 1 1 0 1 0 0 8 0 0 1 - 1 - 0 0 - - 0
3 r 9 b1 fd00::2 2 4 1 1 0 1 0 0 8 0 0 1 - 51547 - 0 0 - - 0
4 other 1 n3 127.0.0.1 2 0 1 1 0 1 0 0 8 0 0 1 - 22 - 0 0 - - 0
3 r 100 hold - 2 0 1 1 0 1 0 2 0 0 0 1 - 0 - 0 0 - - 0

";

const STAT: &str = "\
# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,wretr,wredis,status,
f,FRONTEND,,,3,3,1000,4,2,56,0,0,0,,,,,OPEN,
r,n1,0,0,1,1,,7,12,34,,0,,0,0,0,2,DRAIN,
r,b2,0,0,7,9,,1,18446744073709551615,0,,0,,0,0,0,0,MAINT,
r,hold,0,0,0,1,,1,2,56,,0,,0,0,0,0,no check,
r,BACKEND,0,0,3,3,100,4,2,56,0,0,,0,0,0,0,UP,

";

const SESSIONS: &str = "\
0x559ba0fbd240: proto=tcpv6 src=::ffff:127.0.0.1:35304 fe=f be=r srv=n1 ts=00 epoch=0 age=0s calls=2 rate=2 cpu=0 lat=0 rq[f=a48202h,i=0,an=00h,rx=23h59m,wx=,ax=] rp[f=80248202h,i=0,an=00h,rx=23h59m,wx=,ax=] scf=[8,0h,fd=7] scb=[8,1h,fd=8] exp=1s rc=0 c_exp=
0x5583f6405630: proto=tcpv6 src=127.0.0.1:58607 fe=f be=r srv=n1 ts=00 epoch=0 age=0s calls=2 rate=1 cpu=0 lat=0 rq[f=a08000h,i=0,an=00h,rx=,wx=,ax=] rp[f=80000000h,i=0,an=00h,rx=,wx=,ax=] scf=[8,200h,fd=7] scb=[5,1h,fd=8] exp=1s rc=0 c_exp=1s
0x559ba10bd0c0: proto=tcpv6 src=::ffff:127.0.0.1:35322 fe=f be=r srv=b2 ts=00 epoch=0 age=0s calls=2 rate=2 cpu=0 lat=0 rq[f=a48202h,i=0,an=00h,rx=1d,wx=,ax=] rp[f=80248202h,i=0,an=00h,rx=1d,wx=,ax=] scf=[8,0h,fd=13] scb=[5,1h,fd=14] exp=1s rc=0 c_exp=
0x559ba10bde10: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 rate=0 cpu=0 lat=0 rq[f=c08000h,i=0,an=00h,rx=,wx=,ax=] rp[f=80008002h,i=0,an=00h,rx=,wx=,ax=] scf=[8,200h,fd=15] scb=[8,1h,fd=-1] exp= rc=0 c_exp=

";

fn slot(name: &str) -> Slot {
    name.parse().unwrap()
}

#[test]
fn servers_are_read_by_the_names_of_columns() {
    let found = servers(SERVERS).unwrap();
    let server = |address: &str, is_open| Server { address: address.parse().ok(), is_open };
    let wanted = [
        ("b1", server("[fd00::2]:51547", true)),
        ("hold", server("", true)),
        ("n1", server("127.0.0.1:56673", false)),
        ("n2", server("0.0.0.0:1", false)),
    ];
    assert_eq!(found.into_iter().collect::<Vec<_>>(), wanted.map(|(name, server)| (name.to_owned(), server)));
    // What a command before it said is passed over.
    assert_eq!(servers(&format!("\n\nno need to change\n{SERVERS}")).unwrap().len(), 4);
    for bad in ["", "1\n", "No such server.\n", "1\n# be_name srv_name\nr n1\n"] {
        assert_eq!(servers(bad), None, "{bad}");
    }
}

#[test]
fn only_slots_are_counted_and_a_line_that_lacks_a_number_is_no_answer() {
    let found: Vec<_> = counts(STAT).unwrap().into_iter().collect();
    let first = Count { connections: 1, accepted: 5, from_clients: 12, to_clients: 34 };
    let second = Count { connections: 7, accepted: 1, from_clients: u64::MAX, to_clients: 0 };
    assert_eq!(found, [(slot("n1"), first), (slot("b2"), second)]);
    assert_eq!(counts("Unknown command\n"), None);
    assert_eq!(counts(&STAT.replace("r,n1,0,0,1,", "r,n1,0,0,,")), None);
}

#[test]
fn a_connection_is_being_made_until_the_container_has_answered() {
    assert_eq!(pending(SESSIONS, &[slot("n1")]), ["0x5583f6405630"]);
    assert_eq!(pending(SESSIONS, &[slot("n1"), slot("b2")]), ["0x5583f6405630", "0x559ba10bd0c0"]);
    assert_eq!(pending(SESSIONS, &[slot("n2")]), Vec::<String>::new());
    assert_eq!(pending("", &[slot("n1")]), Vec::<String>::new());
}

#[test]
fn who_was_refused_is_read_from_the_counters_and_who_came_in_is_not() {
    let text = "# table: door, type: integer, size:16, used:1\n0x5583f6404d20: key=1 use=0 exp=2073599995 gpc0=6 gpc1=1 \
                gpc2=0 gpc3=2 gpc4=17 gpc0_rate(1000)=5 gpc1_rate(1000)=1\n";
    let wanted = RefusedBecause { not_allowed: 1, source_full: 2, too_fast: 17, ..RefusedBecause::default() };
    assert_eq!(refused(text), wanted);
    assert_eq!(refused("# table: door, type: integer, size:16, used:0\n"), RefusedBecause::default());
    let (counts, refused) = told(&format!("{STAT}{text}\n")).unwrap();
    assert_eq!((counts.len(), refused), (2, wanted));
    for half in [STAT, text, ""] {
        assert_eq!(told(half), None, "{half}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_the_reading_fail(text in "[a-z0-9_,:# =\\[\\]\\n-]{0,200}") {
        let all = [slot("n1")];
        drop((servers(&text), counts(&text), pending(&text, &all), told(&text)));
        for real in [SERVERS, STAT, SESSIONS] {
            let cut = format!("{}{text}", &real[..real.len() / 2]);
            drop((servers(&cut), counts(&cut), pending(&cut, &all)));
        }
    }
}
