//! The gRPC service itself: reflection, and methods that are none.

use mote_conformance::Target;
use tokio_stream::once;
use tonic::Request;
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

pub(crate) async fn reflection_names_the_service(target: &Target) {
    let uri = format!("http://{}", target.grpc.authority);
    let channel = Channel::from_shared(uri).unwrap().connect().await.unwrap();
    let mut request = Request::new(once(ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    }));
    for (name, value) in &target.grpc.headers {
        let name: tonic::metadata::MetadataKey<_> = name.parse().unwrap();
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    let answers = ServerReflectionClient::new(channel)
        .server_reflection_info(request)
        .await;
    let answer = answers
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(names.contains(&"process.v1.ProcessService"), "{names:?}");
}
