//! The grammar of `bc`.

/// A value to compute.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A constant, as written: its value depends on `ibase`.
    Constant(String),
    /// A variable, an element of an array, `scale`, `ibase`, `obase`, `last`.
    Place(Place),
    /// A function's value.
    Call(String, Vec<Expr>),
    /// An operation on one value.
    Unary(char, Box<Expr>),
    /// An operation on two values.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `place OP= value`; the operator is empty for a plain `=`.
    Assign(Place, &'static str, Box<Expr>),
    /// `++` and `--`: what is added, and whether before the value is taken.
    Step(Place, i64, bool),
    /// Parentheses, which make an assignment print its value.
    Group(Box<Expr>),
}

/// What can be assigned to.
#[derive(Clone, Debug)]
pub struct Place {
    /// The name.
    pub name: String,
    /// The index, for an array.
    pub index: Option<Box<Expr>>,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// A value; printed unless it is an assignment.
    Value(Expr),
    /// A text, printed as it is.
    Text(String),
    /// `print`, of values and texts.
    Print(Vec<Result<Expr, String>>),
    /// `{ … }`
    Block(Vec<Statement>),
    /// `if`
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    /// `while` and `for`: start, condition, step, body.
    Loop(Option<Expr>, Option<Expr>, Option<Expr>, Box<Statement>),
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `return`
    Return(Option<Expr>),
    /// `quit` and `halt`
    Quit,
    /// `define`: name, parameters, local variables, body.
    Define(String, Vec<String>, Vec<String>, Vec<Statement>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Number(String),
    Name(String),
    Text(String),
    Sign(&'static str),
    NewLine,
}

/// Signs, longer ones first.
const SIGNS: &[&str] = &[
    "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "!=", "<=", ">=", "&&", "||", "+", "-",
    "*", "/", "%", "^", "(", ")", "{", "}", "[", "]", ",", ";", "=", "<", ">", "!",
];

/// Operators of two values, from those that bind least.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// Reads a program.
///
/// # Errors
/// The line where it is no program, and why.
pub fn parse(text: &str) -> Result<Vec<Statement>, (usize, String)> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens, at: 0 };
    let mut program = Vec::new();
    loop {
        parser.skip_ends();
        if parser.at >= parser.tokens.len() {
            return Ok(program);
        }
        let statement = parser.statement();
        program.push(statement.map_err(|why| (parser.line(), why))?);
        if parser.at < parser.tokens.len() && !parser.ends() {
            return Err((parser.line(), "syntax error".to_owned()));
        }
    }
}

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, (usize, String)> {
    let mut list = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = |fits: fn(char) -> bool| rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (token, length) = if rest.starts_with("\\\n") {
            (None, 2)
        } else if first == '\n' {
            (Some(Token::NewLine), 1)
        } else if first.is_whitespace() {
            (None, first.len_utf8())
        } else if first == '#' {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if first == '"' {
            let end = rest.get(1..).and_then(|text| text.find('"'));
            let end = end.ok_or_else(|| (line, "syntax error".to_owned()))?;
            let text = rest.get(1..=end).unwrap_or_default();
            (Some(Token::Text(text.to_owned())), end + 2)
        } else if first.is_ascii_digit() || first == '.' || first.is_ascii_uppercase() {
            let length = run(|c| c.is_ascii_digit() || c == '.' || ('A'..='F').contains(&c));
            let number = rest.get(..length).unwrap_or_default();
            if length == 0 {
                return Err((line, format!("illegal character: {first}")));
            }
            let token = if number == "." {
                Token::Name("last".to_owned())
            } else {
                Token::Number(number.to_owned())
            };
            (Some(token), length)
        } else if first.is_ascii_lowercase() {
            let length = run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            (
                Some(Token::Name(
                    rest.get(..length).unwrap_or_default().to_owned(),
                )),
                length,
            )
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| (line, format!("illegal character: {first}")))?;
            (Some(Token::Sign(sign)), sign.len())
        };
        list.extend(token.map(|token| (token, line)));
        let (taken, after) = rest.split_at(length);
        line += taken.matches('\n').count();
        rest = after;
    }
    Ok(list)
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

type Parsed<T> = Result<T, String>;

impl Parser {
    fn line(&self) -> usize {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(1, |(_, line)| *line)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.take(sign) {
            Ok(())
        } else {
            Err("syntax error".to_owned())
        }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err("syntax error".to_owned()),
        }
    }

    fn ends(&self) -> bool {
        self.is(";") || self.is("}") || matches!(self.peek(), None | Some(Token::NewLine))
    }

    fn skip_ends(&mut self) {
        while self.is(";") || self.peek() == Some(&Token::NewLine) {
            self.at += 1;
        }
    }

    fn skip_lines(&mut self) {
        while self.peek() == Some(&Token::NewLine) {
            self.at += 1;
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        if self.is("{") {
            return Ok(Statement::Block(self.block()?));
        }
        if let Some(Token::Text(text)) = self.peek() {
            let text = text.clone();
            self.at += 1;
            return Ok(Statement::Text(text));
        }
        let word = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            _ => String::new(),
        };
        self.at += 1;
        match word.as_str() {
            "quit" | "halt" => Ok(Statement::Quit),
            "break" => Ok(Statement::Break),
            "continue" => Ok(Statement::Continue),
            "return" if self.ends() => Ok(Statement::Return(None)),
            "return" => Ok(Statement::Return(Some(self.expr()?))),
            "print" => self.print(),
            "if" => self.condition(),
            "while" => {
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                Ok(Statement::Loop(None, Some(condition), None, self.body()?))
            }
            "for" => self.counted(),
            "define" => self.definition(),
            _ => {
                self.at -= 1;
                Ok(Statement::Value(self.expr()?))
            }
        }
    }

    fn body(&mut self) -> Parsed<Box<Statement>> {
        self.skip_lines();
        self.statement().map(Box::new)
    }

    fn block(&mut self) -> Parsed<Vec<Statement>> {
        self.expect("{")?;
        let mut list = Vec::new();
        loop {
            self.skip_ends();
            if self.take("}") {
                return Ok(list);
            }
            list.push(self.statement()?);
            if !self.ends() {
                return Err("syntax error".to_owned());
            }
        }
    }

    fn print(&mut self) -> Parsed<Statement> {
        let mut list = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Text(text)) => {
                    list.push(Err(text.clone()));
                    self.at += 1;
                }
                _ => list.push(Ok(self.expr()?)),
            }
            if !self.take(",") {
                return Ok(Statement::Print(list));
            }
        }
    }

    fn condition(&mut self) -> Parsed<Statement> {
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        let then = self.body()?;
        let back = self.at;
        self.skip_ends();
        if self.peek() == Some(&Token::Name("else".to_owned())) {
            self.at += 1;
            return Ok(Statement::If(condition, then, Some(self.body()?)));
        }
        self.at = back;
        Ok(Statement::If(condition, then, None))
    }

    fn counted(&mut self) -> Parsed<Statement> {
        self.expect("(")?;
        let mut parts = Vec::new();
        for end in [";", ";", ")"] {
            parts.push(if self.is(end) {
                None
            } else {
                Some(self.expr()?)
            });
            self.expect(end)?;
        }
        let (step, condition, start) = (
            parts.pop().flatten(),
            parts.pop().flatten(),
            parts.pop().flatten(),
        );
        Ok(Statement::Loop(start, condition, step, self.body()?))
    }

    fn names(&mut self, end: &str) -> Parsed<Vec<String>> {
        let mut names = Vec::new();
        while !self.is(end) && !self.ends() {
            names.push(self.name()?);
            if self.take("[") {
                return Err("an array cannot be a parameter here".to_owned());
            }
            self.take(",");
        }
        Ok(names)
    }

    fn definition(&mut self) -> Parsed<Statement> {
        let mut name = self.name()?;
        if name == "void" {
            name = self.name()?;
        }
        self.expect("(")?;
        let parameters = self.names(")")?;
        self.expect(")")?;
        self.skip_lines();
        self.expect("{")?;
        self.skip_ends();
        let mut locals = Vec::new();
        if self.peek() == Some(&Token::Name("auto".to_owned())) {
            self.at += 1;
            locals = self.names(";")?;
        }
        // The rest of the body is a block whose brace is behind us.
        self.at -= 1;
        let brace = (Token::Sign("{"), self.line());
        if let Some(token) = self.tokens.get_mut(self.at) {
            *token = brace;
        }
        Ok(Statement::Define(name, parameters, locals, self.block()?))
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.binary(0)
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let Some(signs) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        while let Some(sign) = signs.iter().find(|sign| self.is(sign)) {
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Binary(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        if self.take("!") {
            return Ok(Expr::Unary('!', Box::new(self.unary()?)));
        }
        if self.take("-") {
            // Binds more than a power: -2^2 is 4.
            let negated = Expr::Unary('-', Box::new(self.signed()?));
            return self.power(negated);
        }
        for (sign, step) in [("++", 1), ("--", -1)] {
            if self.take(sign) {
                return match self.atom()? {
                    Expr::Place(place) => Ok(Expr::Step(place, step, true)),
                    _ => Err("syntax error".to_owned()),
                };
            }
        }
        let base = self.atom()?;
        if let Expr::Place(place) = &base {
            for sign in ["=", "+=", "-=", "*=", "/=", "%=", "^="] {
                if self.take(sign) {
                    let operator = sign.strip_suffix('=').unwrap_or_default();
                    return Ok(Expr::Assign(
                        place.clone(),
                        operator,
                        Box::new(self.expr()?),
                    ));
                }
            }
        }
        self.power(base)
    }

    fn signed(&mut self) -> Parsed<Expr> {
        if self.take("-") {
            return Ok(Expr::Unary('-', Box::new(self.signed()?)));
        }
        self.atom()
    }

    fn power(&mut self, base: Expr) -> Parsed<Expr> {
        if self.take("^") {
            return Ok(Expr::Binary("^", Box::new(base), Box::new(self.unary()?)));
        }
        Ok(base)
    }

    fn atom(&mut self) -> Parsed<Expr> {
        let token = self.peek().cloned();
        self.at += 1;
        match token {
            Some(Token::Number(text)) => Ok(Expr::Constant(text)),
            Some(Token::Sign("(")) => {
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(Expr::Group(Box::new(inner)))
            }
            Some(Token::Name(name)) if self.take("(") => {
                let mut arguments = Vec::new();
                while !self.take(")") {
                    arguments.push(self.expr()?);
                    if !self.take(",") && !self.is(")") {
                        return Err("syntax error".to_owned());
                    }
                }
                Ok(Expr::Call(name, arguments))
            }
            Some(Token::Name(name)) => {
                let index = if self.take("[") {
                    let index = self.expr()?;
                    self.expect("]")?;
                    Some(Box::new(index))
                } else {
                    None
                };
                let place = Place { name, index };
                for (sign, step) in [("++", 1), ("--", -1)] {
                    if self.take(sign) {
                        return Ok(Expr::Step(place, step, false));
                    }
                }
                Ok(Expr::Place(place))
            }
            _ => {
                self.at -= 1;
                Err("syntax error".to_owned())
            }
        }
    }
}
