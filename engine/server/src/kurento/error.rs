//! Errors as Kurento's clients know them: a number, a name and a sentence.

use anabranch_engine::{ChangeError, CommandError, CommandErrorKind};
use serde_json::{Value, json};

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:expr, $doc:literal;)*) => {
        /// The errors of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $doc] $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The number on the wire.
            pub fn number(self) -> i32 {
                match self { $(Code::$variant => $number),* }
            }

            /// The name in `data.type`; none: the error has no data.
            pub fn name(self) -> Option<&'static str> {
                match self { $(Code::$variant => $name),* }
            }

            /// When it is sent, for the documentation page.
            pub fn when(self) -> &'static str {
                match self { $(Code::$variant => $doc),* }
            }
        }
    };
}

codes! {
    Parse = -32700, Some("PARSE_ERROR"), "The message is no JSON.";
    InvalidRequest = -32600, Some("INVALID_REQUEST"), "The message is no request of JSON-RPC 2.0; batches are not taken.";
    MethodNotFound = -32601, Some("METHOD_NOT_FOUND"), "There is no method of that name.";
    InvalidParams = -32602, Some("INVALID_PARAMS"), "`params` is no object.";
    Internal = -32603, Some("INTERNAL_ERROR"), "A fault of the server.";
    Server = -32000, None, "A parameter is missing.";
    Marshall = 40001, Some("MARSHALL_ERROR"), "A parameter has the wrong type.";
    Unexpected = 40003, Some("UNEXPECTED_ERROR"), "The engine could not do it; the text says why.";
    Connect = 40004, Some("CONNECT_ERROR"), "The elements are in different pipelines, or the engine cannot link them.";
    UnsupportedMediaType = 40005, Some("UNSUPPORTED_MEDIA_TYPE"), "A hub does not do that with this medium (with the hubs).";
    NotImplemented = 40006, Some("NOT_IMPLEMENTED"), "Never sent; a property that cannot be set is 40003.";
    InvalidSession = 40007, Some("INVALID_SESSION"), "`connect` names a session that has ended.";
    MalformedTransaction = 40008, Some("MALFORMED_TRANSACTION"), "An operation that the object does not have; a transaction whose ids are not 0, 1, 2, ...";
    NotEnoughResources = 40009, Some("NOT_ENOUGH_RESOURCES"), "A limit of the server is reached: requests per second, objects, pipelines.";
    TypeNotFound = 40100, Some("MEDIA_OBJECT_TYPE_NOT_FOUND"), "Never sent; an unknown type is 40108.";
    ObjectNotFound = 40101, Some("MEDIA_OBJECT_NOT_FOUND"), "There is no object of that id.";
    ConstructorNotFound = 40104, Some("MEDIA_OBJECT_CONSTRUCTOR_NOT_FOUND"), "Never sent; a class that cannot be created is 40108.";
    MethodOfObjectNotFound = 40105, Some("MEDIA_OBJECT_METHOD_NOT_FOUND"), "Never sent; an unknown operation is 40008.";
    EventNotSupported = 40106, Some("MEDIA_OBJECT_EVENT_NOT_SUPPORTED"), "The object does not send that event.";
    IllegalParam = 40107, Some("MEDIA_OBJECT_ILLEGAL_PARAM_ERROR"), "A value that the object cannot take.";
    NotAvailable = 40108, Some("MEDIA_OBJECT_NOT_AVAILABLE"), "There is no class of that name, or this engine does not have it.";
    NoCommit = 40109, Some("MEDIA_OBJECT_NOT_FOUND_TRANSACTION_NO_COMMIT"), "A `newref:` outside its transaction.";
    TagNotFound = 40110, Some("MEDIA_OBJECT_TAG_KEY_NOT_FOUND"), "The object has no such tag.";
    OperationNotSupported = 40111, Some("MEDIA_OBJECT_OPERATION_NOT_SUPPORTED"), "The object cannot do that, now or at all; the text says why.";
    SdpCreate = 40200, Some("SDP_CREATE_ERROR"), "Never sent; an offer that cannot be made is 40204, an answer 40205.";
    SdpParse = 40201, Some("SDP_PARSE_ERROR"), "The session description is empty or wrong.";
    NoLocalSdp = 40202, Some("SDP_END_POINT_NO_LOCAL_SDP_ERROR"), "There is no local session description yet.";
    NoRemoteSdp = 40203, Some("SDP_END_POINT_NO_REMOTE_SDP_ERROR"), "There is no remote session description yet.";
    GenerateOffer = 40204, Some("SDP_END_POINT_GENERATE_OFFER_ERROR"), "The offer could not be made.";
    ProcessOffer = 40205, Some("SDP_END_POINT_PROCESS_OFFER_ERROR"), "The offer could not be answered.";
    ProcessAnswer = 40206, Some("SDP_END_POINT_PROCESS_ANSWER_ERROR"), "The answer could not be used.";
    SdpConfiguration = 40207, Some("SDP_CONFIGURATION_ERROR"), "Never sent; what cannot be negotiated is 40111, 40205 or 40206.";
    AlreadyNegotiated = 40208, Some("SDP_END_POINT_ALREADY_NEGOTIATED"), "The endpoint has negotiated before.";
    NoOffer = 40209, Some("SDP_END_POINT_NOT_OFFER_GENERATED"), "An answer without an offer.";
    AnswerProcessed = 40210, Some("SDP_END_POINT_ANSWER_ALREADY_PROCCESED"), "A second answer.";
    CannotCreateSession = 40211, Some("SDP_END_POINT_CANNOT_CREATE_SESSON"), "Never sent; an endpoint that cannot be made is 40003.";
    HttpRegistration = 40300, Some("HTTP_END_POINT_REGISTRATION_ERROR"), "The address could not be registered (with `HttpPostEndpoint`).";
    GatherCandidates = 40400, Some("ICE_GATHER_CANDIDATES_ERROR"), "Candidates could not be gathered.";
    AddCandidate = 40401, Some("ICE_ADD_CANDIDATE_ERROR"), "The candidate could not be used.";
    Undefined = 40500, Some("UNDEFINED"), "There is no module of that name.";
    FileNotFound = 40600, Some("URI_PATH_FILE_NOT_FOUND"), "Never sent; a file that is not there or may not be read is 40107.";
    Seek = 40700, Some("PLAYER_SEEK_FAIL"), "The position cannot be set.";
}

/// An error, as a request is answered with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    pub code: Code,
    pub message: String,
}

impl RpcError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        RpcError { code, message: message.into() }
    }

    /// A parameter is missing.
    pub fn missing(name: &str) -> Self {
        Self::new(Code::Server, format!("'{name}' parameter is required"))
    }

    /// A parameter has the wrong type.
    pub fn mistyped(name: &str, wanted: &str) -> Self {
        Self::new(Code::Marshall, format!("'{name}' parameter should be {wanted}"))
    }

    /// There is no object of that id.
    pub fn no_object(id: &str) -> Self {
        let code = if id.starts_with("newref:") { Code::NoCommit } else { Code::ObjectNotFound };
        Self::new(code, format!("Object '{id}' not found"))
    }

    /// The object has no such operation.
    pub fn no_operation(name: &str, parameters: usize) -> Self {
        Self::new(
            Code::MalformedTransaction,
            format!("Method '{name}' with {parameters} parameters not found"),
        )
    }

    /// The object cannot do it.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(Code::OperationNotSupported, text)
    }

    /// As `error` of a response.
    pub fn to_value(&self) -> Value {
        match self.code.name() {
            Some(name) => {
                json!({"code": self.code.number(), "data": {"type": name}, "message": self.message})
            }
            None => json!({"code": self.code.number(), "message": self.message}),
        }
    }

    /// What the engine says about a change of a graph.
    pub fn from_change(error: &ChangeError) -> Self {
        Self::new(Code::Unexpected, error.to_string())
    }

    /// What an element answers to a command.
    pub fn from_command(command: &str, error: &CommandError) -> Self {
        let code = match (error.code.as_str(), command) {
            ("empty-sdp" | "bad-sdp", _) => Code::SdpParse,
            ("already-negotiated", _) => Code::AlreadyNegotiated,
            ("no-offer", _) => Code::NoOffer,
            ("answer-already-processed", _) => Code::AnswerProcessed,
            ("no-local-description", _) => Code::NoLocalSdp,
            ("no-remote-description", _) => Code::NoRemoteSdp,
            ("bad-channel-limits" | "no-channel", _) => Code::IllegalParam,
            ("bad-candidate", _) => Code::AddCandidate,
            ("gather-failed", _) => Code::GatherCandidates,
            ("no-video" | "no-data-channels", _) => Code::OperationNotSupported,
            (code, _) if code.starts_with("unsupported") => Code::OperationNotSupported,
            (_, "offer") => Code::GenerateOffer,
            (_, "process-offer") => Code::ProcessOffer,
            (_, "process-answer") => Code::ProcessAnswer,
            (_, "gather") => Code::GatherCandidates,
            (_, "add-candidate") => Code::AddCandidate,
            _ if error.kind == CommandErrorKind::Unsupported => Code::OperationNotSupported,
            _ => Code::Unexpected,
        };
        Self::new(code, error.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_surface() {
        let listed: Vec<(i32, Option<String>)> = crate::kurento::surface::surface()
            .error_codes
            .iter()
            .map(|code| (code.code, code.name.clone()))
            .collect();
        let ours: Vec<_> = Code::ALL.iter().map(|c| (c.number(), c.name().map(str::to_owned))).collect();
        assert_eq!(ours, listed);
    }

    #[test]
    fn errors_have_a_type_if_they_have_a_name() {
        assert_eq!(
            RpcError::no_object("x").to_value(),
            json!({"code": 40101, "message": "Object 'x' not found", "data": {"type": "MEDIA_OBJECT_NOT_FOUND"}})
        );
        assert_eq!(
            RpcError::missing("uri").to_value(),
            json!({"code": -32000, "message": "'uri' parameter is required"})
        );
        assert_eq!(RpcError::no_object("newref:3").code, Code::NoCommit);
    }

    #[test]
    fn what_an_element_answers_gets_its_number() {
        let from = |command, code: &str| {
            let error = CommandError::new(CommandErrorKind::Failed, code, "no");
            RpcError::from_command(command, &error).code
        };
        for (command, code, expected) in [
            ("process-offer", "empty-sdp", Code::SdpParse),
            ("process-offer", "bad-sdp", Code::SdpParse),
            ("process-offer", "already-negotiated", Code::AlreadyNegotiated),
            ("process-offer", "anything", Code::ProcessOffer),
            ("process-answer", "no-offer", Code::NoOffer),
            ("process-answer", "answer-already-processed", Code::AnswerProcessed),
            ("process-answer", "anything", Code::ProcessAnswer),
            ("offer", "anything", Code::GenerateOffer),
            ("local-description", "no-local-description", Code::NoLocalSdp),
            ("remote-description", "no-remote-description", Code::NoRemoteSdp),
            ("open-channel", "no-data-channels", Code::OperationNotSupported),
            ("open-channel", "bad-channel-limits", Code::IllegalParam),
            ("close-channel", "no-channel", Code::IllegalParam),
            ("request-key-frame", "no-video", Code::OperationNotSupported),
            ("add-candidate", "bad-candidate", Code::AddCandidate),
            ("gather", "gather-failed", Code::GatherCandidates),
            ("layer", "unsupported-layer", Code::OperationNotSupported),
            ("stats", "no-answer", Code::Unexpected),
        ] {
            assert_eq!(from(command, code), expected, "{command} {code}");
        }
    }
}
