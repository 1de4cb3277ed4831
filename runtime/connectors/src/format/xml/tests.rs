use super::*;
use serde_json::json;

const LIMITS: Limits = Limits { depth_max: 64, nodes_max: 200_000 };

fn value(text: &str) -> Result<Value, String> {
    document(text.as_bytes(), false, LIMITS)
}

fn fault(text: &str) -> String {
    value(text).expect_err(text)
}

#[test]
fn the_documented_mapping() {
    // covers C-13
    for (text, expected) in [
        ("<a/>", json!({"a": ""})),
        ("<a></a>", json!({"a": ""})),
        ("<a> 1 </a>", json!({"a": " 1 "})),
        ("<a x='1'/>", json!({"a": {"@x": "1"}})),
        ("<a x='1'>t</a>", json!({"a": {"@x": "1", "#text": "t"}})),
        ("<a><b>1</b></a>", json!({"a": {"b": "1"}})),
        ("<a><b>1</b><c/><b>2</b><b x=''/></a>", json!({"a": {"b": ["1", "2", {"@x": ""}], "c": ""}})),
        ("<a>\n  <b>1</b>\n  <b>2</b>\n</a>", json!({"a": {"b": ["1", "2"]}})),
        ("<a> one <b/> two </a>", json!({"a": {"b": "", "#text": "one  two"}})),
        ("<a>1<![CDATA[<&]]>2<!-- no --><?no no?>3</a>", json!({"a": "1<&23"})),
        ("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xe9;&#128512;</a>", json!({"a": "<>&\"'ABé😀"})),
        ("<a x=' 1\n2\t&#10;&quot;'/>", json!({"a": {"@x": " 1 2 \n\""}})),
        ("<a>1\r\n2\r3</a>", json!({"a": "1\n2\n3"})),
        (
            "<s:a xmlns:s='urn:s' xmlns='urn:d'><b s:x='1'/></s:a>",
            json!({"s:a": {"@xmlns:s": "urn:s", "@xmlns": "urn:d", "b": {"@s:x": "1"}}}),
        ),
        ("<?xml version='1.0' encoding='UTF-8'?>\n<!-- c --><a/>\n<?p?>\n", json!({"a": ""})),
        ("\u{feff}<?xml version=\"1.0\"?><a/>", json!({"a": ""})),
        ("<?xml version='1.0' encoding='us-ascii'?><a/>", json!({"a": ""})),
        ("<été/>", json!({"été": ""})),
    ] {
        assert_eq!(value(text).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn what_is_not_well_formed_says_where() {
    // covers C-13
    for (text, says) in [
        ("<a>\n  <b></c>\n</a>", "the body is not XML: `</c>` stands where `</b>` is expected at line 2 column 6"),
        ("<a></a></b>", "`</b>` ends an element that has not begun at line 1 column 8"),
        ("<a>\n<b>", "the body ends within the element `b` at line 2 column 4"),
        ("<a/><b/>", "has a second root element `b` at line 1 column 5"),
        ("<a/>x", "text outside of its root element (`x`) at line 1 column 5"),
        ("x<a/>", "text outside of its root element (`x`) at line 1 column 1"),
        ("just text", "text outside of its root element"),
        ("{\"a\": 1}", "text outside of its root element"),
        ("<!-- nothing -->", "has no element; it is not XML, at line 1 column 17"),
        ("<a x='1' x='2'/>", "has an element `a` with two attributes `x` at line 1 column 1"),
        ("<a x/>", "an attribute has no `=` at line 1"),
        ("<a x=1/>", "an attribute's value is not in quotes at line 1 column 6"),
        ("<a x='<'/>", "whose attribute `x` has a `<`, which is written `&lt;` there, at line 1 column 1"),
        ("<a x='&'/>", "whose attribute `x` has a `&` that begins no reference"),
        ("<a x='&no;'/>", "whose attribute `x` refers to `&no;`, which is none of XML's five entities"),
        ("<a 1='x'/>", "with an attribute `1`, which is no XML name"),
        ("<1/>", "has an element named `1`, which is no XML name"),
        ("<a>&nbsp;</a>", "refers to `&nbsp;`, which is none of XML's five entities, at line 1 column 4"),
        ("<a>&#0;</a>", "refers to `&#0;`, which is no character of XML"),
        ("<a>&#xD800;</a>", "refers to `&#xD800;`"),
        ("<a>&#+65;</a>", "refers to `&#+65;`"),
        ("<a>&#X41;</a>", "refers to `&#X41;`"),
        ("<a>1 & 2</a>", "a `&` begins no reference; it is written `&amp;`"),
        ("<a>\u{1}</a>", "has a character that XML does not have at line 1 column 4"),
        ("<a>\u{ffff}</a>", "has a character that XML does not have at line 1 column 4"),
        (" <?xml version='1.0'?><a/>", "has an XML declaration that is not its beginning at line 1 column 2"),
        ("<?xml version='2.0'?><a/>", "another version than `1.0`"),
        ("<a", "the body is not XML: tag not closed"),
        ("<a><![CDATA[x", "the body is not XML: CDATA not closed"),
        ("", "the body is empty"),
        (" \n ", "the body is empty"),
    ] {
        let fault = fault(text);
        assert!(fault.starts_with("the body ") && fault.contains(says), "{text}: {fault}");
    }
}

#[test]
fn only_utf_8_is_read() {
    // covers C-13
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?><a/>";
    let error = fault(latin);
    assert!(error.contains("is declared as `ISO-8859-1`, but only `utf-8` is read"), "{error}");
    // The sender's own word counts more (RFC 7303).
    assert_eq!(document(latin.as_bytes(), true, LIMITS), Ok(json!({"a": ""})));
    let utf_16 = |big: bool, text: &str| -> Vec<u8> {
        let units = text.encode_utf16();
        units.flat_map(|it| if big { it.to_be_bytes() } else { it.to_le_bytes() }).collect()
    };
    for bytes in
        [utf_16(true, "\u{feff}<a/>"), utf_16(false, "\u{feff}<a/>"), utf_16(true, "<a/>"), utf_16(false, "<a/>")]
    {
        let error = document(&bytes, false, LIMITS).expect_err("UTF-16");
        assert!(error.starts_with("the body is UTF-16; only `utf-8` is read"), "{error}");
    }
    let error = document(b"<a>\xe9</a>", false, LIMITS).expect_err("latin 1");
    assert!(error.contains("byte 3 is not part of a character"), "{error}");
}

#[test]
fn nothing_expands() {
    // keeps E-03
    let laughs =
        "<?xml version='1.0'?>\n<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]>\n<lolz>&lol2;</lolz>";
    for text in [
        laughs,
        "<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://localhost/'>%p;]><a/>",
        "<!DOCTYPE html><html/>",
        "<!doctype html><html/>",
    ] {
        assert!(fault(text).contains("has a document type declaration (`<!DOCTYPE`), which is refused"), "{text}");
    }
    assert!(fault(laughs).contains("at line 2 column 1"));
}

#[test]
fn depth_counts_at_n_and_n_plus_1() {
    // covers C-20, keeps E-03
    let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let of = |text: &str, depth_max| document(text.as_bytes(), false, Limits { depth_max, nodes_max: 200_000 });
    for most in [1, 3, 127] {
        assert!(of(&nested(most.into()), most).is_ok());
        let error = of(&nested(usize::from(most) + 1), most).expect_err("one too deep");
        assert!(
            error.contains(&format!("nests deeper than the {most} levels that the connector's `json-depth-max`")),
            "{error}"
        );
    }
    let error = of("<a><b/><c><d/></c></a>", 2).expect_err("three deep");
    assert!(error.contains("at line 1 column 11"), "{error}");
    assert!(of(&"<a>".repeat(1_300_000), 127).is_err());
}

#[test]
fn nodes_count_at_n_and_n_plus_1() {
    // covers C-20, keeps E-03
    let of = |text: &str, nodes_max| document(text.as_bytes(), false, Limits { depth_max: 64, nodes_max });
    for (text, nodes) in [("<a/>", 3), ("<a>x</a>", 4), ("<a x='1'/>", 5), ("<a><b/><b/></a>", 7), ("<a>x<b/>y</a>", 6)]
    {
        assert!(of(text, nodes).is_ok(), "{text}");
        let error = of(text, nodes - 1).expect_err(text);
        assert!(error.contains("the operator's `json-nodes-max` lets it have"), "{error}");
    }
    let attributes: String = (0..1_000_000).map(|index| format!(" a{index}=''")).collect();
    let repeated = " a=''".repeat(80_000);
    assert!(fault(&format!("<a{attributes}/>")).contains("more than the 200000 values and names"));
    assert!(fault(&format!("<a{repeated}/>")).contains("two attributes `a`"));
    assert!(fault(&format!("<a>{}</a>", "<b/>".repeat(1_000_000))).contains("more than the 200000 values"));
}

#[test]
fn a_long_text_in_many_pieces_takes_no_more_than_its_length() {
    // keeps E-03: each piece is appended, nothing is copied again
    let pieces = "<a>".to_owned() + &"&#65;<![CDATA[b]]><!---->".repeat(100_000) + "</a>";
    assert_eq!(value(&pieces), Ok(json!({"a": "Ab".repeat(100_000)})));
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "[<>/!?\\[\\]a&;#x='\" \n-]{0,60}") {
        let _ = value(&text);
    }

    #[test]
    fn bytes_never_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
        let _ = document(&body, false, LIMITS);
    }

    /// What is written by the rules of XML is read as it was meant.
    #[test]
    fn texts_and_attributes_come_back(text in "[ -~é\n]{0,40}") {
        let escaped = quick_xml::escape::escape(text.as_str()).replace('\n', "&#10;");
        let read = value(&format!("<a x=\"{escaped}\">{escaped}</a>"));
        let mut expected = json!({"@x": text, "#text": text});
        if text.is_empty() {
            expected = json!({"@x": ""});
        }
        proptest::prop_assert_eq!(read, Ok(json!({"a": expected})));
    }
}
