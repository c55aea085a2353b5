use super::*;

#[tokio::test]
async fn what_was_read_of_a_process_that_is_gone_does_not_count() {
    let callers = Callers::default();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let who = callers.of_process(child.id()).unwrap();
    let read = |who: Identified, during: Box<dyn FnOnce() + Send>| {
        let callers = &callers;
        async move { callers.read(&who, move |_, _| during()).await }
    };
    read(who.clone(), Box::new(|| {})).await.unwrap();
    let ended = read(
        who,
        Box::new(move || {
            child.kill().unwrap();
            child.wait().unwrap();
        }),
    )
    .await;
    assert_eq!(
        ended.unwrap_err(),
        "the caller's processes changed during the request"
    );
}
