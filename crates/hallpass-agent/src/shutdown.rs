use tokio::sync::watch;

/// Tells servers to stop. Clone it for each of them.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// The other end of a [`Shutdown`]: dropping it stops the servers, too.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

impl Shutdown {
    /// A trigger and what it triggers.
    #[must_use]
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Returns once it is triggered.
    pub async fn wait(&mut self) {
        // An error means that the trigger is gone, which counts.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

impl ShutdownTrigger {
    /// Stops every server that waits for it.
    pub fn trigger(&self) {
        let _ = self.0.send(true);
    }
}
