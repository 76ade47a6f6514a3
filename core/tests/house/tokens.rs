//! Rust as a stream of tokens: enough to find paths, functions and attributes, comments left out.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

pub(super) fn tokens(name: &str, text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(super) fn is_ident(token: Option<&TokenTree>, text: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == text)
}

pub(super) fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

pub(super) fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

pub(super) fn is_path_mark(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

pub(super) fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// Calls `visit` on each run of sibling tokens, outermost first.
pub(super) fn each_run(stream: TokenStream, visit: &mut dyn FnMut(&[TokenTree])) {
    let run: Vec<TokenTree> = stream.into_iter().collect();
    visit(&run);
    for token in run {
        if let TokenTree::Group(group) = token {
            each_run(group.stream(), visit);
        }
    }
}

/// The attribute that starts at `at`, as its inner tokens.
pub(super) fn attribute(tokens: &[TokenTree], at: usize) -> Option<Vec<TokenTree>> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    group(tokens.get(at + 1), Delimiter::Bracket).map(|body| body.stream().into_iter().collect())
}

/// `cfg(test)` and `cfg(all(test, …))`.
pub(super) fn is_test_attribute(attribute: &[TokenTree]) -> bool {
    let inside = |token| group(token, Delimiter::Parenthesis).map(Group::stream);
    let Some(condition) = inside(attribute.get(1)) else { return false };
    let condition: Vec<_> = condition.into_iter().collect();
    is_ident(attribute.first(), "cfg")
        && match condition.as_slice() {
            [one] => is_ident(Some(one), "test"),
            [all, terms] if is_ident(Some(all), "all") => inside(Some(terms))
                .is_some_and(|terms| terms.into_iter().any(|term| is_ident(Some(&term), "test"))),
            _ => false,
        }
}

/// The end of the item that starts at `at`: past its `;` or its braces.
pub(super) fn item_end(tokens: &[TokenTree], mut at: usize) -> usize {
    while attribute(tokens, at).is_some() {
        at += 2;
    }
    let head: Vec<_> = tokens[at..].iter().take(4).map(|token| ident(Some(token))).collect();
    let named = |word: &str| head.iter().flatten().any(|found| found == word);
    let ends_in_semicolon =
        !named("fn") && ["use", "const", "static", "type", "let"].into_iter().any(named);
    while let Some(token) = tokens.get(at) {
        at += 1;
        let braces = group(Some(token), Delimiter::Brace).is_some() && !ends_in_semicolon;
        if braces || is_punct(Some(token), ';') {
            break;
        }
    }
    at
}

/// The stream without the items that only tests see, and how many lines those take.
pub(super) fn without_tests(stream: TokenStream) -> (TokenStream, usize) {
    let run: Vec<TokenTree> = stream.into_iter().collect();
    let (mut kept, mut lines, mut at) = (Vec::new(), 0, 0);
    while at < run.len() {
        if attribute(&run, at).is_some_and(|attribute| is_test_attribute(&attribute)) {
            let end = item_end(&run, at);
            lines += line_count(run[at].span(), run[end - 1].span());
            at = end;
            continue;
        }
        kept.push(match &run[at] {
            TokenTree::Group(group) => {
                let (inside, inside_lines) = without_tests(group.stream());
                lines += inside_lines;
                let mut stripped = Group::new(group.delimiter(), inside);
                stripped.set_span(group.span());
                TokenTree::Group(stripped)
            }
            token => token.clone(),
        });
        at += 1;
    }
    (kept.into_iter().collect(), lines)
}

pub(super) fn line_count(first: Span, last: Span) -> usize {
    last.end().line - first.start().line + 1
}
