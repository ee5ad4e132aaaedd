//! A process that runs out of descriptors: alone in its test binary, because the limit is the process's.

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use homeport_router::{DescriptorLimit, Limits, ListenAddress, Report, RouteId, Router, Target};
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::runtime::Handle;
    use tokio::task::JoinSet;
    use tokio::time::{sleep, timeout};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn open_descriptors() -> u64 {
        std::fs::read_dir("/proc/self/fd").unwrap().count() as u64
    }

    fn set_limit(descriptors: u64) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors), maximum }).unwrap();
    }

    fn cpu_time() -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
    }

    async fn echo_first_byte(address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"x").await?;
        assert_eq!(stream.read_u8().await?, b'x');
        Ok(stream)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lack_of_descriptors_is_said_once_costs_no_cpu_and_passes() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&reports);
        let limits = Limits::within(DescriptorLimit::raise().unwrap()).unwrap();
        let router = Router::new(limits, Handle::current(), move |report| sink.lock().unwrap().push(report.clone()));
        let paused =
            |reports: &[Report]| reports.iter().filter(|report| matches!(report, Report::AcceptPaused { .. })).count();
        let id: RouteId = RouteId { instance: "web".parse().unwrap(), endpoint: "http".parse().unwrap() };
        // Addresses of 127.0.0.0/8 that no run of this test beside this one uses.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let own_ip = |last: u8| format!("127.{}.{low}.{last}:2222", 192 + (high & 31));
        let address: ListenAddress = own_ip(1).parse().unwrap();
        let socket: SocketAddr = address.to_string().parse().unwrap();
        router.reserve(&id, address).unwrap();

        let listener = TcpListener::bind(own_ip(2)).await.unwrap();
        let target = Target::new("c1".parse().unwrap(), listener.local_addr().unwrap());
        let mut backend = JoinSet::new();
        backend.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                if let Ok((mut stream, _)) = listener.accept().await {
                    served.spawn(async move {
                        let (mut reads, mut writes) = stream.split();
                        tokio::io::copy(&mut reads, &mut writes).await
                    });
                } else {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
        router.point(&id, target.clone()).unwrap();
        drop(timeout(PATIENCE, echo_first_byte(socket)).await.unwrap().unwrap());

        // Clients whose own sockets exist already, and room for none of the router's.
        let mut clients = Vec::new();
        router.hold(&id).unwrap();
        for _ in 0..30 {
            clients.push(timeout(PATIENCE, TcpStream::connect(socket)).await.unwrap().unwrap());
        }
        sleep(Duration::from_millis(100)).await;
        set_limit(open_descriptors());
        router.point(&id, target).unwrap();
        let before = cpu_time();
        sleep(Duration::from_secs(2)).await;
        let spent = cpu_time().checked_sub(before).unwrap();
        let said = reports.lock().unwrap().clone();
        assert_eq!(paused(&said), 1, "{said:?}");
        assert!(spent < Duration::from_millis(200), "{spent:?} of CPU in two seconds of waiting");
        let status = router.status().remove(0);
        assert!(status.last_error.unwrap().contains("Too many open files"), "it is in the status as well");
        assert_eq!(status.refused, 0);

        set_limit(DescriptorLimit::raise().unwrap().get());
        for mut client in clients {
            let exchange = async {
                client.write_all(b"y").await?;
                client.read_u8().await
            };
            assert_eq!(timeout(PATIENCE, exchange).await.unwrap().unwrap(), b'y');
        }
        let resumed = Report::AcceptResumed { route: id.clone() };
        assert_eq!(reports.lock().unwrap().iter().filter(|report| **report == resumed).count(), 1);
        drop(timeout(PATIENCE, echo_first_byte(socket)).await.unwrap().unwrap());
        router.shut_down().await;
    }
}
