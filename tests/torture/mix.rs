//! What the load is made of: the connector, the flows, and how often each is started. A new kind of step comes in here.

/// A flow of the load.
pub(crate) struct Kind {
    pub(crate) flow: &'static str,
    pub(crate) document: &'static str,
    /// The step that every run begins with.
    pub(crate) first: &'static str,
    /// How often a run comes to the same step at most.
    pub(crate) goes: usize,
    /// How often it is started, against the others.
    pub(crate) weight: u64,
}

pub(crate) const KINDS: [Kind; 6] = [
    Kind { flow: "order", document: include_str!("flows/order.yaml"), first: "reserve", goes: 1, weight: 4 },
    Kind { flow: "mail", document: include_str!("flows/mail.yaml"), first: "first", goes: 1, weight: 3 },
    Kind { flow: "login", document: include_str!("flows/login.yaml"), first: "pin", goes: 1, weight: 3 },
    Kind { flow: "refusal", document: include_str!("flows/refusal.yaml"), first: "ask", goes: 1, weight: 1 },
    Kind { flow: "family", document: include_str!("flows/family.yaml"), first: "reserve", goes: 1, weight: 3 },
    Kind { flow: "rounds", document: include_str!("flows/rounds.yaml"), first: "begin", goes: 3, weight: 2 },
];

/// Every how many runs carries a text that makes its rows larger than the store keeps in sled.
pub(crate) const LARGE_EVERY: u64 = 5;
pub(crate) const LARGE_BYTES: usize = 6_000;

/// Which kind that number means, by the weights.
pub(crate) fn kind(number: u64) -> &'static Kind {
    let mut left = number % KINDS.iter().map(|kind| kind.weight).sum::<u64>();
    KINDS
        .iter()
        .find(|kind| match left.checked_sub(kind.weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
        .unwrap()
}

pub(crate) fn kind_of(flow: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.flow == flow).unwrap()
}

/// The outside system, with the functions that the flows call.
pub(crate) fn connector(url: &str) -> String {
    let function = |name: &str, more: &str| {
        format!(
            "  - name: {name}\n    method: POST\n    endpoint: /{name}\n    arguments:\n      - {{ name: ticket, type: string, required: true }}\n      - {{ name: text, type: string, required: true }}\n    body: {{ ticket: '${{args.ticket}}', text: '${{args.text}}' }}\n{more}"
        )
    };
    let waiting = "    response: { format: json-object, fail-on-invalid-status: true }\n";
    let functions: String = [
        function("reserve", waiting),
        function("charge", waiting),
        function("release", waiting),
        function("refuse", waiting),
        function("notify", "    mode: background\n    retry: { attempts-max: 1 }\n"),
        "  - { name: check, method: POST, endpoint: /check }\n".to_owned(),
    ]
    .concat();
    format!("connector: outside\nbase-url: {url}\nfunctions:\n{functions}")
}

/// Quick pauses, and no limit on how often a process may die on a run: here it is killed on purpose.
pub(crate) const CONFIG: &str = "\
[engine]
background-backoff = '20ms'
background-backoff-max = '200ms'
claim-interval = '20ms'
claims-without-commit-max = 1000000
[store]
free-bytes-min = 0
";
