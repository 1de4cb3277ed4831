//! Flows with every kind of step, for replays.

/// What happens to a run besides its steps.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    Goes,
    /// Every call is answered with this body.
    Answered(&'static str),
    /// No call is ever answered.
    Hangs,
    /// The first call fails, the others do not.
    FailsOnce,
    /// Calls fail until it is paused; then they do not, and it goes on.
    Pauses,
    /// It is resumed with this input as soon as it is suspended.
    Resumed(&'static str),
    /// Nobody resumes it.
    Forgotten,
}

/// The kind of step that a flow is for, how the journal names what such a step does, the flow behind its name, and what
/// happens to its run.
pub(crate) type Row = (&'static str, &'static str, &'static str, Fate);

const FORM: &str = "trigger: x\nsteps:\n  - id: a\n    prompt: { form: { type: object, required: [pin] }, text: 'Hello ${event.n}', time-to-live: 20s, notify: { call: sys.get, arguments: { q: n } } }\n    on-expiry: late\n  - { id: said, claims: [{ key: pin, type: dynamic, value: '${steps.a.input.pin}' }], next: end }\n  - { id: late, set: { a: 1 } }\n";

/// Every kind of step, with whatever a step may have besides.
pub(crate) const ROWS: [Row; 27] = [
    (
        "call",
        "call",
        "steps:\n  - { id: a, call: sys.get, arguments: { q: '${event.n}' }, pre-call: [{ plugin: ask@1, input: '${event}' }], post-response: [{ plugin: keep@1 }] }\n",
        Fate::Goes,
    ),
    ("call", "call", "steps:\n  - { id: a, call: sys.get, retry: { attempts: 3, backoff: 2s } }\n", Fate::FailsOnce),
    (
        "call",
        "call",
        "steps:\n  - { id: a, call: sys.get, retry: { attempts: 2, backoff: 2s, exhausted: pause } }\n",
        Fate::Pauses,
    ),
    (
        "call",
        "set",
        "steps:\n  - { id: a, call: sys.get, deadline: 1s, on-error: b }\n  - { id: b, set: { why: '${steps.a.error.code}' } }\n",
        Fate::Hangs,
    ),
    (
        "call",
        "call",
        "deadline: 2s\nsteps:\n  - { id: z, set: { n: 1 } }\n  - { id: a, call: sys.get, retry: { attempts: 3, backoff: 10s } }\n",
        Fate::FailsOnce,
    ),
    (
        "call",
        "call",
        "steps:\n  - { id: z, set: { n: '${0}' } }\n  - { id: a, call: sys.get, visits-max: 3, pre-call: [{ plugin: ask@1 }] }\n  - { id: b, set: { steps.z.n: '${steps.z.n + 1}' } }\n  - { id: c, condition: [{ when: steps.z.n < 3, next: a }, { otherwise: end }] }\n",
        Fate::Goes,
    ),
    (
        "action",
        "action",
        "steps:\n  - { id: a, action: FLOW_EXTENSION, plugin: p@1, input: '${event.n}' }\n",
        Fate::Goes,
    ),
    (
        "action",
        "action",
        "trigger: LOGIN\nsteps:\n  - { id: a, action: AUTHENTICATION, plugin: away@1, time-to-live: 5m, allowed-operations: [{ op: redirect }] }\n",
        Fate::Resumed("{}"),
    ),
    (
        "action",
        "action",
        "steps:\n  - { id: a, action: FLOW_EXTENSION, service: sys.get }\n",
        Fate::Answered("{\"actionStatus\": \"SUCCESS\"}"),
    ),
    ("transform", "transform", "steps:\n  - { id: a, transform: { plugin: keep@1, input: '${event}' } }\n", Fate::Goes),
    (
        "condition",
        "condition",
        "steps:\n  - { id: a, condition: [{ when: event.n > 5, next: b }, { otherwise: c }] }\n  - { id: b, set: { x: 1 } }\n  - { id: c, set: { x: 2 } }\n",
        Fate::Goes,
    ),
    (
        "set",
        "set",
        "steps:\n  - { id: a, set: { x: '${event.n + 1}', event.n: 8, connectors.made: '${[event.n]}' } }\n",
        Fate::Goes,
    ),
    (
        "set",
        "skipped",
        "steps:\n  - { id: a, when: event.n > 99, set: { x: 1 }, otherwise: c }\n  - { id: b, end: {} }\n  - { id: c, set: { x: 2 } }\n  - { id: d, when: event.gone > 1, set: { x: 1 } }\n",
        Fate::Goes,
    ),
    (
        "claims",
        "claims",
        "steps:\n  - { id: a, claims: [{ key: n, type: number, value: '${event.n}' }] }\n",
        Fate::Goes,
    ),
    (
        "claims",
        "claims",
        "steps:\n  - { id: a, claims: [{ key: n, type: number, value: '${event.n}' }], sign: { key: ours, algorithm: ES256 } }\n",
        Fate::Goes,
    ),
    (
        "parallel",
        "children",
        "steps:\n  - id: a\n    parallel:\n      branches:\n        - { branch: l, steps: [{ id: l, call: sys.get, arguments: { q: l } }], result: '${connectors.l.body.n}' }\n        - { branch: r, steps: [{ id: w, wait: { for: 3s } }, { id: r, set: { x: 2 } }] }\n",
        Fate::Goes,
    ),
    (
        "parallel",
        "children",
        "steps:\n  - id: a\n    parallel:\n      wait-for: any\n      branches:\n        - { branch: l, steps: [{ id: l, wait: { for: 1h } }] }\n        - { branch: r, steps: [{ id: r, set: { x: 2 } }] }\n",
        Fate::Goes,
    ),
    (
        "parallel",
        "children",
        "steps:\n  - id: a\n    parallel:\n      wait-for: 2\n      on-branch-failure: go-on\n      branches:\n        - { branch: l, steps: [{ id: l, set: { y: 2 } }] }\n        - { branch: r, steps: [{ id: r, set: { x: 2 } }] }\n        - { branch: f, steps: [{ id: f, fail: { reason: no } }] }\n",
        Fate::Goes,
    ),
    (
        "for-each",
        "children",
        "steps:\n  - id: a\n    for-each: { items: '${[1, 2, 3]}', concurrency: 2, steps: [{ id: i, set: { x: '${item.value * 2}' } }], result: '${steps.i.x}' }\n  - { id: b, for-each: { items: '${[]}', steps: [{ id: j, set: { x: 1 } }] } }\n  - { id: c, for-each: { items: '${event}', steps: [{ id: k, set: { x: 1 } }] } }\n",
        Fate::Goes,
    ),
    (
        "call-flow",
        "children",
        "steps:\n  - { id: a, call-flow: { flow: g, event: { n: '${event.n}' } } }\n  - { id: b, call-flow: { flow: g, event: { n: -1 } }, on-failure: c }\n  - { id: c, call-flow: { flow: gone, event: {} } }\n",
        Fate::Goes,
    ),
    (
        "wait",
        "wait",
        "steps:\n  - { id: a, wait: { for: 2s } }\n  - { id: b, wait: { until: '2001-01-01T00:00:00Z' } }\n",
        Fate::Goes,
    ),
    ("prompt", "prompt", FORM, Fate::Resumed("{\"pin\": 1234}")),
    ("prompt", "prompt", FORM, Fate::Forgotten),
    (
        "redirect",
        "redirect",
        "steps:\n  - { id: a, redirect: { url: 'https://pin.test/${event.n}', time-to-live: 5m } }\n",
        Fate::Resumed("{\"pin\": 1}"),
    ),
    (
        "fail",
        "fail",
        "steps:\n  - { id: z, call: sys.get, compensate: [{ id: u, call: sys.other }] }\n  - { id: y, for-each: { items: '${[1, 2]}', steps: [{ id: i, call: sys.get, compensate: [{ id: v, set: { x: 1 } }] }] } }\n  - { id: a, fail: { reason: 'No ${event.n}' } }\n",
        Fate::Goes,
    ),
    (
        "end",
        "end",
        "steps:\n  - { id: z, transform: { plugin: no@1, input: 1 }, on-failure: a }\n  - { id: y, set: { x: 1 } }\n  - { id: a, end: {} }\n",
        Fate::Goes,
    ),
    (
        "end",
        "end",
        "steps:\n  - { id: z, set: { x: '${event.gone}' }, on-error: a }\n  - { id: y, set: { x: 1 } }\n  - { id: a, end: {} }\n",
        Fate::Goes,
    ),
];

pub(crate) const CALLED: &str = "flow: g\nsteps:\n  - { id: size, condition: [{ when: event.n > 0, next: good }, { otherwise: bad }] }\n  - { id: good, claims: [{ key: n, type: number, value: '${event.n}' }], next: end }\n  - { id: bad, fail: { reason: Too small } }\n";
