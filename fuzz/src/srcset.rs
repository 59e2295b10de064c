//! The candidates of a `srcset`, beside HTML's own steps (section 4.8.4.2.2) taken one by one.

use std::ops::Range;

use imgkeep::document::extract::srcset;

/// The bytes as the value of the attribute, as far as they are text.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found: Vec<Range<usize>> = srcset::candidates(&text).collect();
    assert_eq!(found, by_the_steps(&text), "{text:?}");
    for url in &found {
        let url = &text[url.clone()];
        assert!(!url.is_empty() && !url.contains(is_space) && !url.starts_with(',') && !url.ends_with(','));
    }
}

/// The steps of the standard with its own names.
fn by_the_steps(input: &str) -> Vec<Range<usize>> {
    let end_of = |from: usize, of: &dyn Fn(char) -> bool| {
        input[from..].find(|char| !of(char)).map_or(input.len(), |length| from + length)
    };
    let mut candidates = Vec::new();
    let mut position = 0;
    loop {
        position = end_of(position, &|char| is_space(char) || char == ',');
        if position == input.len() {
            return candidates;
        }
        let start = position;
        position = end_of(position, &|char| !is_space(char));
        let mut url = start..position;
        let mut descriptors = Vec::new();
        if input[url.clone()].ends_with(',') {
            while input[url.clone()].ends_with(',') {
                url.end -= 1;
            }
        } else {
            position = end_of(position, &is_space);
            position = tokenize(input, position, &mut descriptors);
        }
        if are_valid(&descriptors) {
            candidates.push(url);
        }
    }
}

#[derive(Clone, Copy)]
enum State {
    InDescriptor,
    InParens,
    AfterDescriptor,
}

/// The descriptor tokenizer; returns the position behind it.
fn tokenize(input: &str, start: usize, descriptors: &mut Vec<String>) -> usize {
    let mut state = State::InDescriptor;
    let mut current = String::new();
    let mut position = start;
    loop {
        let c = input[position..].chars().next();
        match (state, c) {
            (State::InDescriptor, Some(c)) if is_space(c) => {
                if !current.is_empty() {
                    descriptors.push(std::mem::take(&mut current));
                    state = State::AfterDescriptor;
                }
            }
            (State::InDescriptor, Some(',')) => {
                if !current.is_empty() {
                    descriptors.push(current);
                }
                return position + 1;
            }
            (State::InDescriptor, Some('(')) => {
                current.push('(');
                state = State::InParens;
            }
            (State::InDescriptor, None) => {
                if !current.is_empty() {
                    descriptors.push(current);
                }
                return position;
            }
            (State::InParens, Some(')')) => {
                current.push(')');
                state = State::InDescriptor;
            }
            (State::InParens, None) => {
                descriptors.push(current);
                return position;
            }
            (State::InDescriptor | State::InParens, Some(c)) => current.push(c),
            (State::AfterDescriptor, Some(c)) if is_space(c) => {}
            (State::AfterDescriptor, None) => return position,
            (State::AfterDescriptor, Some(_)) => {
                state = State::InDescriptor;
                continue;
            }
        }
        position += c.map_or(0, char::len_utf8);
    }
}

/// The descriptor parser; whether there was no error.
fn are_valid(descriptors: &[String]) -> bool {
    let (mut width, mut density, mut future_compat_h) = (false, false, false);
    for descriptor in descriptors {
        let Some(last) = descriptor.chars().next_back() else { return false };
        let number = &descriptor[..descriptor.len() - last.len_utf8()];
        let is_positive = || {
            !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && number.bytes().any(|byte| byte != b'0')
        };
        match last {
            'w' if is_positive() && !width && !density => width = true,
            'x' if is_not_negative(number) && !width && !density && !future_compat_h => density = true,
            'h' if is_positive() && !future_compat_h && !density => future_compat_h = true,
            _ => return false,
        }
    }
    width || !future_compat_h
}

/// A valid floating-point number (section 2.3.4.3) that is not less than 0.
fn is_not_negative(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let is_signed = at == 1;
    let start = at;
    let whole = digits(at);
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    } else if whole == 0 {
        return false;
    }
    let is_zero = bytes[start..at].iter().all(|byte| matches!(byte, b'0' | b'.'));
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == bytes.len() && (!is_signed || is_zero)
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r' | '\x0c')
}
