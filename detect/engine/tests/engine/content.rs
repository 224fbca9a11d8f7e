//! Content options on one payload: every line was seen in a run of Suricata 8.

use crate::brute;
use crate::packets::{Sensor, udp};

const LETTERS: &str = "abcdefabcxyz";
const DIGITS: &str = " 12ab0x1F-7 ";

fn check(payload: &str, table: &[(&str, bool)]) {
    for &(options, want) in table {
        let rule = format!("alert udp any any -> any any (msg:\"x\"; {options} sid:1;)");
        let mut sensor = Sensor::new(&rule);
        let packet = udp(payload.as_bytes());
        let found = sensor.alone(&packet);
        assert_eq!(!found.is_empty(), want, "{options}");
        // Also without the prefilter.
        assert_eq!(brute::matching(sensor.inspector.rules(), &packet), found, "{options}");
    }
}

#[test]
fn contents_lie_in_their_windows() {
    let table = [
        (r#"content:"def"; content:"abc"; distance:-100; within:3;"#, true),
        (r#"isdataat:11;"#, true),
        (r#"isdataat:12;"#, false),
        (r#"isdataat:!12;"#, true),
        (r#"content:"xyz"; isdataat:0,relative;"#, true),
        (r#"content:"xyz"; isdataat:!1,relative;"#, true),
        (r#"content:"xyz"; isdataat:1,relative;"#, false),
        (r#"content:"abc"; isdataat:!3,relative;"#, false),
        (r#"content:"abc"; isdataat:6,relative;"#, true),
        (r#"content:"abc"; content:!"x"; distance:0; within:1;"#, true),
        (r#"content:"abc"; content:!"d"; distance:0; within:1;"#, true),
        (r#"content:!"abc"; endswith;"#, true),
        (r#"content:!"xyz"; endswith;"#, false),
        (r#"content:!"xyz"; startswith;"#, true),
        (r#"content:"abc"; endswith;"#, false),
        (r#"content:"abc"; offset:1; depth:7;"#, false),
        (r#"content:"abc"; offset:1; depth:8;"#, true),
        (r#"content:!"abc"; offset:50;"#, true),
        (r#"content:!"abc"; offset:12;"#, true),
        (r#"content:"ABC"; nocase; startswith; endswith;"#, false),
        (r#"content:"ABCdefabcxyz"; nocase; startswith; endswith;"#, true),
        (r#"content:!"zzz"; content:"abc"; distance:0;"#, true),
        (r#"content:"zzz"; content:!"q"; distance:0;"#, false),
        (r#"content:"def"; content:"xyz"; distance:2; within:3;"#, false),
        (r#"content:"def"; content:"xyz"; within:5;"#, false),
        (r#"content:"def"; content:"xyz"; within:6;"#, true),
        (r#"content:"abc"; content:"xyz"; distance:0; within:3;"#, true),
        (r#"content:"abcx"; fast_pattern:1,2;"#, true),
        (r#"content:"abcx"; offset:6; depth:4; fast_pattern:1,2;"#, true),
        (r#"content:"abcx"; offset:7; fast_pattern:1,2;"#, false),
        (r#"content:"abcx"; depth:9; fast_pattern:1,2;"#, false),
        (r#"content:"f"; content:"z"; distance:0; content:"abc"; distance:-12; within:3;"#, true),
        (r#"content:"xyz"; content:"def"; distance:-9; within:3;"#, true),
        (r#"content:"xyz"; content:"abc"; distance:-13; within:4;"#, true),
        (r#"content:"xyz"; content:"abc"; distance:-12; within:3;"#, true),
        (r#"content:"xyz"; content:"abc"; distance:-15; within:3;"#, false),
        (r#"dsize:12;"#, true),
        (r#"dsize:<12;"#, false),
        (r#"dsize:11<>13;"#, true),
        (r#"content:"abc"; content:"abc";"#, true),
        (r#"content:"abc"; content:"abc"; distance:4;"#, false),
        (r#"content:"abc"; within:3;"#, true),
        (r#"content:"def"; within:5;"#, false),
        (r#"content:"def"; distance:3; within:3;"#, true),
        (r#"content:"abc"; distance:4; within:5;"#, true),
        (
            r#"content:"a"; content:"b"; distance:0; within:1; content:"c"; distance:0; within:1; content:"x"; distance:0; within:1;"#,
            true,
        ),
        (r#"content:"abc"; isdataat:4,relative; content:"xyz"; distance:0; within:3;"#, false),
        (r#"content:"c"; startswith;"#, false),
        (r#"content:"abc"; startswith; content:"d"; distance:0; within:1;"#, true),
        (r#"content:"z"; endswith; within:1; distance:11;"#, true),
        (r#"content:"yz"; endswith; offset:10;"#, true),
        (r#"content:"yz"; endswith; depth:11;"#, false),
        (r#"content:"yz"; endswith; depth:12;"#, true),
        (r#"content:"abcdefabcxyz"; depth:12;"#, true),
        (r#"content:"abcdefabcxyzz";"#, false),
        (r#"content:!"abcdefabcxyzz";"#, true),
        (r#"content:!"abc"; depth:3;"#, false),
        (r#"content:!"def"; depth:3;"#, true),
        (r#"content:!"def"; depth:6;"#, false),
        (r#"content:!"abc"; offset:1; depth:7;"#, true),
        (r#"content:!"abc"; offset:1; depth:8;"#, false),
        (r#"content:"abc"; content:!"def"; distance:0; within:3; content:"x"; distance:0;"#, true),
        (r#"content:"abc"; content:!"def"; distance:0; content:"xyz"; distance:0;"#, true),
        (
            r#"content:"abc"; content:!"f"; offset:0; depth:6; content:"xyz"; distance:0; within:3;"#,
            false,
        ),
        (r#"content:"abc"; content:!"q"; content:"def"; distance:0; within:3;"#, true),
        (r#"content:"abc"; content:!"q"; content:"xyz"; distance:0; within:3;"#, false),
        (r#"content:"a"; content:!"b"; within:1;"#, false),
        (r#"content:"abc"; content:!"d"; within:1; endswith;"#, true),
        (r#"content:"abc"; content:!"xyz"; distance:0; endswith;"#, true),
        (r#"content:"a"; nocase; content:"B"; distance:0; within:1; nocase;"#, true),
        (r#"content:"A"; content:"b"; distance:0;"#, false),
        (r#"content:"|61 62|c"; content:"|78|yz"; distance:0; within:3;"#, true),
        (r#"content:"cd"; distance:2;"#, true),
        (r#"content:"cd"; distance:3;"#, false),
        (r#"content:"abc"; isdataat:!9,relative;"#, true),
        (r#"content:"abc"; isdataat:!4,relative;"#, true),
        (r#"content:"abc"; isdataat:!8,relative;"#, true),
        (r#"content:"abc"; isdataat:9,relative;"#, true),
        (r#"content:"abc"; isdataat:10,relative;"#, false),
    ];
    check(LETTERS, &table);
}

#[test]
fn expressions_are_tried_again_further_on() {
    let table = [
        (r#"pcre:"/abc/"; content:"xyz"; distance:0; within:3;"#, true),
        (r#"pcre:"/abc/"; pcre:"/^xyz/R";"#, true),
        (r#"pcre:"/ABC/"; content:"abc";"#, false),
        (r#"pcre:"/ABC/i";"#, true),
        (r#"pcre:"/^abc$/";"#, false),
        (r#"pcre:"/xyz$/";"#, true),
        (r#"pcre:"/XYZ$/iA";"#, false),
        (r#"pcre:"/a.*z/G"; content:"!"; distance:0;"#, false),
        (r#"pcre:!"/q/"; content:"abc"; distance:0;"#, true),
        (r#"content:"xyz"; pcre:!"/^./R";"#, true),
        (r#"content:"abc"; pcre:!"/^d/R";"#, true),
        (r#"content:"abc"; pcre:!"/^x/R";"#, true),
        (r#"content:"abc"; pcre:!"/^[dx]/R";"#, false),
        (
            r#"pcre:"/b/"; content:"c"; distance:0; within:1; content:"x"; distance:0; within:1;"#,
            true,
        ),
        (r#"pcre:"/b/"; content:"x"; offset:9; depth:1; content:"q"; distance:0;"#, false),
        (r#"content:"b"; pcre:"/^c/R"; content:"x"; within:1;"#, true),
        (r#"pcre:"/(a)(b)/"; content:"c"; within:1;"#, true),
        (r#"pcre:"/a(?=bcx)/"; content:"bcx"; within:3;"#, true),
        (r#"pcre:"/a/"; pcre:"/^b/R"; pcre:"/^c/R"; pcre:"/^x/R";"#, true),
        (r#"pcre:"/$/"; content:!"q"; within:1;"#, true),
        (r#"pcre:"/DEF/i"; pcre:"/^abc/R"; content:"xyz"; within:3;"#, true),
        (r#"pcre:"/c/"; isdataat:!3,relative;"#, false),
        (r#"pcre:"/a b c/x";"#, true),
        (r#"pcre:"/^def/m";"#, false),
        (r#"pcre:"/a.c/sG";"#, true),
    ];
    check(LETTERS, &table);
}

#[test]
fn base64_is_decoded_as_far_as_it_goes() {
    let table = [
        (r#"content:"abc"; base64_decode: bytes 4;"#, false),
        (r#"base64_decode: bytes 4;"#, false),
        (r#"base64_decode: bytes 4; content:"def";"#, false),
        (r#"base64_decode: bytes 4; base64_data; content:"i";"#, true),
        (r#"content:"nothere"; base64_decode: bytes 4; base64_data; content:"i";"#, false),
        (r#"base64_decode: bytes 4; base64_data; content:"i"; pkt_data; content:!"abc";"#, true),
        (r#"content:"abc"; base64_decode: bytes 4, relative; base64_data; content:"u";"#, true),
        (
            r#"content:"abc"; base64_decode: bytes 4, offset 3, relative; base64_data; content:!"u";"#,
            true,
        ),
        (r#"base64_decode: bytes 4, offset 13; base64_data; content:!"u";"#, false),
        (r#"base64_decode: bytes 4, offset 12; base64_data; content:!"u";"#, false),
    ];
    check(LETTERS, &table);
}

#[test]
fn numbers_are_taken_from_bytes() {
    let table = [
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 100, result v; content:"abc"; content:"abc"; distance:v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 97, result v; content:"abc"; depth:v;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 91, result v; content:"abc"; distance:v;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 92, result v; content:"abc"; distance:v; within:3;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 93, result v; content:"abc"; distance:v; within:3;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 94, result v; content:"def"; within:v;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 92, result v; content:"def"; within:v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 91, result v; content:"def"; depth:v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 92, result v; content:"def"; depth:v;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 91, result v; isdataat:v; content:"abc";"#,
            true,
        ),
        (r#"content:"abc"; byte_extract:1,0,v,relative; byte_test:1,=,v,5;"#, false),
        (r#"content:"abc"; byte_extract:1,0,v,relative; byte_test:1,=,v,9;"#, true),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 110, result v, relative; isdataat:!v;"#,
            true,
        ),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 110, result v, relative; content:"xyz"; offset:v;"#,
            false,
        ),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 110, result v, relative; content:!"def"; offset:3; depth:v;"#,
            false,
        ),
        (r#"byte_test:8,>,1,0; byte_extract:8,0,v; byte_test:8,=,v,0;"#, true),
        (r#"byte_math:bytes 1, offset 0, oper -, rvalue 98, result v; byte_test:8,<,v,0;"#, true),
        (r#"byte_jump:0,6; content:"abc"; within:3;"#, true),
        (r#"byte_jump:0,6,from_beginning; content:"def"; within:3;"#, false),
        (r#"byte_jump:0,0,from_end,post_offset -3; content:"xyz"; within:3;"#, true),
        (r#"byte_jump:0,0,post_offset -3; content:"abc"; within:3;"#, true),
        (r#"byte_jump:0,12; isdataat:0,relative;"#, true),
        (r#"byte_jump:0,13; isdataat:0,relative;"#, false),
        (r#"byte_jump:0,12,relative; content:!"q";"#, true),
        (
            r#"byte_math:bytes 1, offset 0, oper +, rvalue 0, result v, bitmask 0xf0; byte_test:1,=,v,0;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 91, result v; content:"abcxyz"; offset:v; depth:6;"#,
            true,
        ),
        (r#"content:"a"; byte_test:1,=,0x62,0,relative; content:"x"; distance:2; within:1;"#, true),
        (r#"content:"abc"; byte_test:1,=,0x78,0,relative;"#, true),
        (r#"content:"abc"; byte_jump:1,0,relative; content:"z"; distance:0;"#, false),
        (r#"content:"abc"; byte_extract:1,0,v,relative; content:"y"; within:1;"#, true),
        (r#"byte_test:1,!<,97,0;"#, true),
        (r#"byte_test:1,!=,97,0;"#, false),
        (r#"byte_test:1,&,0x60,0;"#, true),
        (r#"byte_test:1,&,0x02,0;"#, false),
        (r#"byte_test:1,^,97,0;"#, false),
        (r#"byte_test:1,^,96,0;"#, true),
        (r#"byte_test:2,=,0x6261,0,little;"#, true),
        (r#"byte_test:2,=,0x6162,0;"#, true),
        (r#"byte_test:2,=,6,0,bitmask 0x0f00;"#, false),
        (r#"byte_test:2,=,1,0,bitmask 0x0f00;"#, true),
        (r#"byte_test:1,=,97,12;"#, false),
        (r#"byte_test:1,!=,97,12;"#, false),
        (r#"byte_test:1,=,122,-1;"#, false),
        (r#"content:"xyz"; byte_test:1,=,122,-1,relative;"#, true),
        (r#"content:"xyz"; byte_test:1,!=,1,0,relative;"#, false),
        (r#"content:"b"; byte_test:1,=,97,-2,relative;"#, true),
        (r#"content:"b"; byte_test:1,=,97,-3,relative;"#, false),
        (r#"byte_jump:1,0,from_beginning,post_offset -91; content:"abc"; within:3;"#, true),
        (
            r#"byte_jump:1,0,from_beginning,multiplier 2,post_offset -188; content:"abc"; within:3;"#,
            true,
        ),
        (r#"byte_jump:1,0,align,from_beginning,post_offset -94; content:"abc"; within:3;"#, true),
        (r#"byte_jump:1,0,post_offset -200; content:"abc"; within:3;"#, true),
        (r#"byte_jump:1,0,from_end,post_offset -100; content:"xyz"; within:3;"#, true),
        (r#"byte_extract:1,0,v,align 4; byte_test:1,<=,v,0;"#, true),
        (
            r#"byte_extract:1,0,v,multiplier 2; byte_math:bytes 1, offset 0, oper *, rvalue 2, result w; byte_test:1,<,w,0;"#,
            true,
        ),
        (r#"byte_extract:2,0,v,little; byte_test:2,=,v,6,little;"#, true),
        (r#"byte_extract:2,0,v,little; byte_test:2,=,v,6;"#, false),
        (r#"byte_math:bytes 1, offset 0, oper <<, rvalue 70, result v; byte_test:1,>,v,0;"#, true),
        (
            r#"byte_math:bytes 1, offset 0, oper >>, rvalue 1, result v; byte_test:1,=,v,0,bitmask 0x60;"#,
            false,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper +, rvalue 3, result v, bitmask 0x0f; byte_test:1,=,v,3,bitmask 0x0f;"#,
            true,
        ),
    ];
    check(LETTERS, &table);
}

#[test]
fn numbers_are_read_from_text() {
    let table = [
        (r#"byte_test:5,=,12,0,string,dec;"#, true),
        (r#"byte_test:3,=,12,0,string,dec;"#, true),
        (r#"byte_test:4,=,0x12a,0,string,hex;"#, true),
        (r#"byte_test:4,=,0x1f,5,string,hex;"#, true),
        (r#"byte_test:2,=,0,5,string,hex;"#, true),
        (r#"byte_test:2,=,1,1,string,oct;"#, false),
        (r#"byte_test:3,=,10,1,string,oct;"#, true),
        (r#"byte_test:2,=,10,1,string,oct;"#, true),
        (r#"byte_test:1,=,0,3,string,dec;"#, false),
        (r#"byte_test:2,>,100,9,string,dec;"#, true),
        (r#"byte_test:2,=,-7,9,string,dec;"#, true),
        (r#"byte_test:1,=,12,0,string,dec;"#, false),
        (r#"byte_jump:2,1,string,dec,from_beginning;"#, true),
        (r#"byte_jump:2,1,string,dec; content:"a";"#, false),
        (r#"byte_jump:2,1,string,dec,from_beginning; isdataat:!0,relative; content:"a";"#, false),
        (r#"byte_extract:2,1,v,string,dec; isdataat:!v;"#, true),
        (r#"byte_extract:2,1,v,string,dec; isdataat:v;"#, false),
        (r#"byte_extract:3,0,v,string,dec; byte_test:2,=,v,1,string,dec;"#, true),
        (
            r#"byte_math:bytes 2, offset 1, oper +, rvalue 1, result v, string dec; isdataat:!v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 2, offset 1, oper -, rvalue 1, result v, string dec; isdataat:v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 2, offset 1, oper -, rvalue 1, result v, string dec; isdataat:!v;"#,
            false,
        ),
    ];
    check(DIGITS, &table);
}

#[test]
fn odd_cases_are_as_odd_as_in_suricata() {
    let table = [
        (r#"content:!"yz"; offset:5; endswith;"#, true),
        (r#"content:!"abc"; depth:3; endswith;"#, true),
        (r#"content:!"abc"; offset:0; depth:9; endswith;"#, true),
        (r#"content:!"abc"; offset:3; depth:9; endswith;"#, false),
        (r#"content:!"abc"; offset:3; depth:6; endswith;"#, true),
        (r#"content:"abc"; content:!"abc"; distance:3; within:3; endswith;"#, true),
        (r#"content:"abc"; content:!"def"; distance:0; within:3; endswith;"#, true),
        (r#"content:"def"; content:!"xyz"; distance:0; endswith;"#, true),
        (r#"content:"def"; content:!"xyz"; within:6; endswith;"#, true),
        (r#"content:!"xyz"; offset:9; endswith;"#, true),
        (r#"content:!"xyz"; depth:12; endswith;"#, false),
        (r#"content:!"def"; depth:6; endswith;"#, true),
        (
            r#"content:"xyz"; byte_math:bytes 1, offset -1, oper -, rvalue 130, result v, relative; content:"def"; distance:v;"#,
            false,
        ),
        (
            r#"byte_extract:1,0,v; byte_math:bytes 1, offset 1, oper -, rvalue v, result w; content:"bc"; offset:w; depth:2;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 95, result v; byte_test:v,=,0x6162,0;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 94, result v; byte_test:1,=,0x64,v;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 94, result v; byte_jump:0,v; content:"def"; within:3;"#,
            true,
        ),
        (
            r#"byte_math:bytes 1, offset 0, oper -, rvalue 96, result v; byte_jump:v,0,multiplier 2; content:"x"; within:1;"#,
            false,
        ),
        (
            r#"content:"abc"; byte_extract:1,0,v,relative; byte_test:1,=,v,9; content:"xyz"; distance:0; within:3;"#,
            false,
        ),
        (
            r#"content:"abc"; byte_extract:1,0,v,relative; byte_test:1,=,v,9; content:"yz"; distance:0; within:2;"#,
            true,
        ),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 91, result v, relative; isdataat:v; content:"abc";"#,
            true,
        ),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 88, result v, relative; isdataat:!v;"#,
            true,
        ),
        (
            r#"content:"abc"; byte_math:bytes 1, offset 0, oper -, rvalue 89, result v, relative; isdataat:v;"#,
            true,
        ),
        (r#"content:"a"; pcre:"/b/R"; content:"x"; distance:1; within:1;"#, true),
        (r#"pcre:"/(?<=b)c/"; pcre:"/(?<=c)./R";"#, true),
        (r#"content:"|00|"; content:!"a";"#, false),
        (
            r#"content:"a"; content:"c"; distance:1; within:1; content:"x"; distance:0; within:1;"#,
            true,
        ),
        (r#"content:"a"; content:!"b"; distance:0; within:1; content:"x"; distance:0;"#, false),
        (
            r#"content:"c"; content:!"d"; distance:0; within:1; content:"y"; distance:1; within:1;"#,
            true,
        ),
        (r#"content:"abc"; content:!"x"; distance:0; within:1; pcre:"/^d/R";"#, true),
    ];
    check(LETTERS, &table);
    let table = [
        (r#"byte_jump:2,9,string,dec; content:"b"; within:1;"#, true),
        (r#"byte_jump:2,9,string,dec; isdataat:0,relative;"#, true),
        (r#"byte_extract:2,9,v,string,dec; content:"b"; distance:v; within:1;"#, true),
        (r#"byte_test:20,=,12,0,string,dec;"#, false),
        (r#"byte_test:12,=,12,0,string,dec;"#, true),
    ];
    check(DIGITS, &table);
}

#[test]
fn the_prefilter_sees_what_base64_data_ends() {
    // The rest of the payload's options would not be looked at, but the fast pattern is missing.
    let rule = r#"alert udp any any -> any any (base64_decode: bytes 4; base64_data; content:"i";
        pkt_data; content:"nothere"; sid:1;)"#;
    let mut sensor = Sensor::new(&rule.replace('\n', " "));
    assert!(sensor.alone(&udp(LETTERS.as_bytes())).is_empty());
}

#[test]
fn entropies_are_kept_with_the_flow() {
    let text = "alert udp any any -> any any (entropy: value > 7; sid:1;)\n\
                alert udp any any -> any any (entropy: offset 4, value < 1; sid:2;)";
    let mut sensor = Sensor::new(text);
    let packet = udp(b"abcdaaaa");
    assert_eq!(sensor.in_flow(&packet).0, [2]);
    let id =
        match sensor.table.lookup(&packet, sensor.table.hash(&packet).unwrap(), &mut Vec::new()) {
            flow::table::Lookup::Found(id, _) => id,
            _ => panic!("no flow"),
        };
    // The value of the rule that looked last, whether it matched or not.
    let kept = &sensor.table.get_mut(id).extension.inspection.entropies;
    assert_eq!(*kept, [("content".into(), 0.0)]);
}
