//! A proxy that does nothing but pass on, with the HTTP library the gateway uses: the floor that `bench/gateway.py` shows.
//! `plain_proxy LISTEN UPSTREAM`, both `ADDRESS:PORT`.

use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let mut words = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (words.next(), words.next()) else {
        return Err("plain_proxy LISTEN UPSTREAM".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(serve(listen, upstream))
}

async fn serve(listen: String, upstream: String) -> Result<(), AnyError> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new())
        .set_host(false)
        .build(connector);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let pass_on = service_fn(move |mut request: Request<Incoming>| {
            let target = request.uri().path_and_query();
            let target = target.map_or("/", |target| target.as_str());
            let uri = format!("http://{upstream}{target}").parse::<Uri>();
            let client = client.clone();
            async move {
                *request.uri_mut() = uri?;
                Ok::<_, AnyError>(client.request(request).await?)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), pass_on));
    }
}
