//! The nine examples of the two aggregates, as pure decisions from exactly the state that they give.
//!
//! The same examples go over HTTP against a running node in `http_examples.rs`.

use breakwater::clock;
use breakwater::domain::failure_history::{
    Command as HistoryCommand, FailureDetail, FailureType, HistoryEvent, IntegrationFailureHistory, Record,
    RetryOrigin as HistoryRetry, RetryResult,
};
use breakwater::domain::id::{HistoryId, StatusId, Target};
use breakwater::domain::status::{Command, IntegrationState, IntegrationStatus, RetryOrigin, StatusEvent};
use breakwater::domain::time::Timestamp;
use serde_json::{Map, Value, json};

/// `max_retries` as it is when nobody configures it.
const MAX_RETRIES: u32 = 3;

pub(crate) fn examples(aggregate: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../data/given-when-then.json")).expect("the data is JSON");
    all.into_iter().filter(|example| example["aggregate"] == aggregate).collect()
}

#[test]
fn the_status_decides_as_the_examples_say() {
    let examples = examples("IntegrationStatus");
    assert_eq!(examples.len(), 5);
    for example in examples {
        let mut status = status(&example["given"]["IntegrationStatus"]);
        let (name, when) = only(&example["when"]);
        let event = status.decide(status_command(name, when)).expect("the example is legal");
        status.apply(&event);
        let (_, then) = only(&example["then"]);
        assert_eq!(&status_data(&status, &event), then, "{}", example["id"]);
    }
}

#[test]
fn the_history_decides_as_the_examples_say() {
    let examples = examples("IntegrationFailureHistory");
    assert_eq!(examples.len(), 4);
    for example in examples {
        let given = history(&example["given"]["IntegrationFailureHistory"]);
        let (name, when) = only(&example["when"]);
        let (_, then) = only(&example["then"]);
        let found = match name {
            "RecordIntegrationFailure" => recorded(given.id, when),
            _ => changed(given, history_command(name, when)),
        };
        assert_eq!(&found, then, "{}", example["id"]);
    }
}

#[test]
fn what_the_examples_leave_unsaid_holds_too() {
    let mut status = status(&examples("IntegrationStatus")[0]["given"]["IntegrationStatus"]);
    let attempted_at = clock::parse("2024-06-02T09:00:00Z").expect("a time");
    let event = status.decide(Command::Connect { attempted_at }).expect("legal in every state");
    status.apply(&event);
    assert_eq!(status.last_attempted_at, Some(attempted_at));
    assert_eq!((status.failure_reason, status.retry_count), (None, 0));
}

fn only(object: &Value) -> (&str, &Value) {
    let (name, value) = object.as_object().and_then(|map| map.iter().next()).expect("one member");
    (name, value)
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str().map(|text| clock::parse(text).expect("a time"))
}

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().expect("a number")).expect("a small one")
}

fn text(value: &Value) -> Box<str> {
    value.as_str().expect("a text").into()
}

fn target(value: &Value) -> Target {
    Target::new(&text(&value["systemName"]), &text(&value["endpoint"]))
}

fn status(given: &Value) -> IntegrationStatus {
    IntegrationStatus {
        id: StatusId(given["integrationStatusId"].as_u64().expect("an id")),
        target: target(&given["target"]),
        state: *IntegrationState::ALL.iter().find(|state| given["state"] == state.as_str()).expect("a state"),
        last_attempted_at: time(&given["lastAttemptedAt"]),
        last_succeeded_at: time(&given["lastSucceededAt"]),
        last_failed_at: time(&given["lastFailedAt"]),
        failure_reason: given["failureReason"].as_str().map(Box::from),
        retry_count: number(&given["retryCount"]),
    }
}

fn status_command(name: &str, when: &Value) -> Command {
    match name {
        "ConnectPaymentGateway" => Command::Connect { attempted_at: time(&when["attemptedAt"]).expect("a time") },
        "FailPaymentGatewayConnection" => Command::Fail {
            failure_reason: text(&when["failureReason"]),
            failed_at: time(&when["failedAt"]).expect("a time"),
        },
        "RetryPaymentGatewayConnection" => Command::Retry {
            retry_count: Some(number(&when["retryCount"])),
            retried_at: time(&when["retriedAt"]).expect("a time"),
            origin: RetryOrigin::Reported,
        },
        other => panic!("an example of {other}"),
    }
}

fn status_data(status: &IntegrationStatus, event: &StatusEvent) -> Value {
    let mut data = Map::new();
    data.insert("integrationStatusId".into(), json!(status.id.0));
    data.insert("state".into(), json!(status.state.as_str()));
    let target = json!({"systemName": &*status.target.system_name, "endpoint": &*status.target.endpoint});
    data.insert("target".into(), target);
    match event {
        StatusEvent::Connected { last_succeeded_at } => {
            data.insert("lastSucceededAt".into(), json!(clock::format(*last_succeeded_at)));
        }
        StatusEvent::ConnectionFailed { failure_reason, last_failed_at } => {
            data.insert("failureReason".into(), json!(failure_reason));
            data.insert("lastFailedAt".into(), json!(clock::format(*last_failed_at)));
        }
        StatusEvent::Retried { retry_count, retry_result, retried_at } => {
            data.insert("retryCount".into(), json!(retry_count));
            data.insert("retryResult".into(), json!(retry_result.as_str()));
            data.insert("retriedAt".into(), json!(clock::format(*retried_at)));
        }
    }
    Value::Object(data)
}

fn detail(value: &Value) -> FailureDetail {
    FailureDetail {
        error_code: text(&value["errorCode"]),
        error_message: text(&value["errorMessage"]),
        request_payload: text(&value["requestPayload"]),
        response_payload: text(&value["responsePayload"]),
        additional_info: text(&value["additionalInfo"]),
    }
}

fn record(value: &Value) -> Record {
    Record {
        failure_type: *FailureType::ALL.iter().find(|kind| value["failureType"] == kind.as_str()).expect("a type"),
        detail: detail(&value["failureDetail"]),
        target_system: text(&value["targetSystem"]),
        occurred_at: time(&value["occurredAt"]).expect("a time"),
        status_id: StatusId(value["integrationStatusId"].as_u64().expect("an id")),
    }
}

fn result(value: &Value) -> RetryResult {
    *RetryResult::ALL.iter().find(|result| value == result.as_str()).expect("a result")
}

fn history(given: &Value) -> IntegrationFailureHistory {
    let id = HistoryId(given["integrationFailureHistoryId"].as_u64().expect("an id"));
    let notified = given["notified"].as_bool().expect("true or false");
    IntegrationFailureHistory {
        retry_count: number(&given["retryCount"]),
        retry_result: result(&given["retryResult"]),
        ..IntegrationFailureHistory::record(id, record(given), notified)
    }
}

fn history_command(name: &str, when: &Value) -> HistoryCommand {
    match name {
        "RetryIntegrationFailure" => HistoryCommand::Retry {
            retry_count: Some(number(&when["retryCount"])),
            retried_at: time(&when["retriedAt"]).expect("a time"),
            origin: HistoryRetry::Reported,
        },
        "RecoverIntegrationFailure" => HistoryCommand::Recover {
            retry_result: result(&when["retryResult"]),
            recovered_at: time(&when["recoveredAt"]).expect("a time"),
        },
        other => panic!("an example of {other}"),
    }
}

/// A recording queues its notification in the same commit, so it is notified.
fn recorded(id: HistoryId, when: &Value) -> Value {
    let IntegrationFailureHistory { id, failure_type, detail, target_system, occurred_at, status_id, notified, .. } =
        IntegrationFailureHistory::record(id, record(when), true);
    let FailureDetail { error_code, error_message, request_payload, response_payload, additional_info } = detail;
    json!({
        "integrationFailureHistoryId": id.0,
        "failureType": failure_type.as_str(),
        "failureDetail": {
            "errorCode": error_code, "errorMessage": error_message, "requestPayload": request_payload,
            "responsePayload": response_payload, "additionalInfo": additional_info,
        },
        "targetSystem": target_system,
        "occurredAt": clock::format(occurred_at),
        "integrationStatusId": status_id.0,
        "notified": notified,
    })
}

fn changed(mut history: IntegrationFailureHistory, command: HistoryCommand) -> Value {
    let event = history.decide(command, MAX_RETRIES).expect("the example is legal");
    history.apply(&event);
    let (id, notified) = (history.id.0, history.notified);
    match event {
        HistoryEvent::Retried { retry_count, retry_result, retried_at } => json!({
            "integrationFailureHistoryId": id, "notified": notified, "retryCount": retry_count,
            "retryResult": retry_result.as_str(), "retriedAt": clock::format(retried_at),
        }),
        HistoryEvent::Recovered { recovered_at } => json!({
            "integrationFailureHistoryId": id, "notified": notified,
            "retryResult": history.retry_result.as_str(), "recoveredAt": clock::format(recovered_at),
        }),
    }
}
