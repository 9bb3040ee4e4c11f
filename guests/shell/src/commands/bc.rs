//! `bc`.

mod library;
mod number;
mod parse;

use std::collections::HashMap;

use bashkit::{Builtin, BuiltinContext, ExecResult, async_trait};

use super::options::{Known, Options};
use super::{Report, absolute, reason};
use number::Number;
use parse::{Expr, Place, Statement};

const KNOWN: Known = Known {
    letters: "ilqswe:",
    names: &[
        ("expression", 'e'),
        ("mathlib", 'l'),
        ("quiet", 'q'),
        ("standard", 's'),
        ("warn", 'w'),
    ],
    wrong: 1,
};

/// Digits after the point with `-l`.
const LIBRARY_SCALE: usize = 20;

/// Calls of functions within each other: what the shell's stack has room for.
const CALL_DEPTH: usize = 500;

/// The command.
pub struct Bc;

#[async_trait]
impl Builtin for Bc {
    async fn execute(&self, ctx: BuiltinContext<'_>) -> bashkit::Result<ExecResult> {
        let mut report = Report::new("bc");
        if let Some(options) = Options::parse(&mut report, &KNOWN, ctx.args) {
            let mut machine = Machine {
                scale: if options.has('l') { LIBRARY_SCALE } else { 0 },
                has_library: options.has('l'),
                ..Machine::default()
            };
            let mut texts: Vec<(String, String)> = options
                .values('e')
                .map(|text| ("(command line)".to_owned(), text.to_owned()))
                .collect();
            for name in &options.operands {
                match ctx.fs.read_file(&absolute(ctx.cwd, name)).await {
                    Ok(text) => {
                        texts.push((name.clone(), String::from_utf8_lossy(&text).into_owned()))
                    }
                    Err(error) => report.fail(1, &format!("{name}: {}", reason(&error))),
                }
            }
            if let Some(text) = ctx.stdin {
                texts.push(("(standard_in)".to_owned(), text.text_lossy().into_owned()));
            }
            for (source, text) in texts {
                if !machine.run(&source, &text, &mut report) {
                    break;
                }
            }
        }
        Ok(report.finish())
    }
}

/// How a statement ended.
enum Flow {
    Next,
    Break,
    Continue,
    Return(Number),
    Quit,
}

type Computed<T> = Result<T, String>;

/// Parameters, local variables and body of a function.
type Function = (Vec<String>, Vec<String>, Vec<Statement>);

#[derive(Default)]
struct Machine {
    scale: usize,
    has_library: bool,
    input_base: Option<u32>,
    output_base: Option<u32>,
    last: Option<Number>,
    values: HashMap<String, Number>,
    elements: HashMap<(String, i64), Number>,
    functions: HashMap<String, Function>,
    depth: usize,
    out: String,
}

impl Machine {
    /// Runs a program; false once it has quit.
    fn run(&mut self, source: &str, text: &str, report: &mut Report) -> bool {
        let program = match parse::parse(text) {
            Ok(program) => program,
            Err((line, why)) => {
                report.err.push_str(&format!("{source} {line}: {why}\n"));
                return true;
            }
        };
        for statement in &program {
            let flow = self.statement(statement);
            report.out.push_str(&std::mem::take(&mut self.out));
            match flow {
                Ok(Flow::Quit) => return false,
                Ok(_) => {}
                Err(why) => report.err.push_str(&format!("Runtime error: {why}\n")),
            }
        }
        true
    }

    fn print(&mut self, value: &Number) {
        self.out
            .push_str(&value.show(self.output_base.unwrap_or(10)));
        self.last = Some(value.clone());
    }

    fn statement(&mut self, statement: &Statement) -> Computed<Flow> {
        match statement {
            Statement::Value(expr) => {
                let value = self.value(expr)?;
                if !matches!(expr, Expr::Assign(..)) {
                    self.print(&value);
                    self.out.push('\n');
                }
            }
            Statement::Text(text) => self.out.push_str(text),
            Statement::Print(list) => {
                for item in list {
                    match item {
                        Ok(expr) => {
                            let value = self.value(expr)?;
                            self.print(&value);
                        }
                        Err(text) => self.out.push_str(&unescaped(text)),
                    }
                }
            }
            Statement::Block(list) => return self.block(list),
            Statement::If(condition, then, otherwise) => {
                let branch = if self.value(condition)?.is_zero() {
                    otherwise.as_deref()
                } else {
                    Some(&**then)
                };
                return branch.map_or(Ok(Flow::Next), |branch| self.statement(branch));
            }
            Statement::Loop(start, condition, step, body) => {
                start.as_ref().map(|expr| self.value(expr)).transpose()?;
                while condition.as_ref().map_or(Ok(true), |expr| {
                    Ok::<_, String>(!self.value(expr)?.is_zero())
                })? {
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::Next | Flow::Continue => {}
                        flow => return Ok(flow),
                    }
                    step.as_ref().map(|expr| self.value(expr)).transpose()?;
                }
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Return(None) => return Ok(Flow::Return(Number::zero())),
            Statement::Return(Some(expr)) => return Ok(Flow::Return(self.value(expr)?)),
            Statement::Quit => return Ok(Flow::Quit),
            Statement::Define(name, parameters, locals, body) => {
                let function = (parameters.clone(), locals.clone(), body.clone());
                self.functions.insert(name.clone(), function);
            }
        }
        Ok(Flow::Next)
    }

    fn block(&mut self, list: &[Statement]) -> Computed<Flow> {
        for statement in list {
            match self.statement(statement)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn value(&mut self, expr: &Expr) -> Computed<Number> {
        match expr {
            Expr::Constant(text) => Ok(Number::parse(text, self.input_base.unwrap_or(10))),
            Expr::Group(inner) => self.value(inner),
            Expr::Place(place) => self.load(place),
            Expr::Unary('-', inner) => Ok(self.value(inner)?.negated()),
            Expr::Unary(_, inner) => Ok(truth(self.value(inner)?.is_zero())),
            Expr::Binary(sign, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.operation(sign, &left, &right)
            }
            Expr::Assign(place, sign, expr) => {
                let mut value = self.value(expr)?;
                if !sign.is_empty() {
                    let old = self.load(place)?;
                    value = self.operation(sign, &old, &value)?;
                }
                self.store(place, &value)?;
                Ok(value)
            }
            Expr::Step(place, step, before) => {
                let old = self.load(place)?;
                let new = old.plus(&Number::from(*step));
                self.store(place, &new)?;
                Ok(if *before { new } else { old })
            }
            Expr::Call(name, arguments) => {
                let values: Vec<Number> = arguments
                    .iter()
                    .map(|argument| self.value(argument))
                    .collect::<Computed<_>>()?;
                self.call(name, values)
            }
        }
    }

    fn operation(&self, sign: &str, left: &Number, right: &Number) -> Computed<Number> {
        let order = left.compare(right);
        let quotient = |value: Option<Number>| value.ok_or_else(|| "Divide by zero".to_owned());
        Ok(match sign {
            "+" => left.plus(right),
            "-" => left.plus(&right.negated()),
            "*" => left.times(right, self.scale),
            "/" => quotient(left.over(right, self.scale))?,
            "%" => quotient(left.rest(right, self.scale))?,
            "^" => {
                let exponent = right.to_i64().ok_or("exponent too large in raise")?;
                quotient(left.to_the(exponent, self.scale))?
            }
            "<" => truth(order.is_lt()),
            ">" => truth(order.is_gt()),
            "<=" => truth(order.is_le()),
            ">=" => truth(order.is_ge()),
            "==" => truth(order.is_eq()),
            "!=" => truth(order.is_ne()),
            "&&" => truth(!left.is_zero() && !right.is_zero()),
            _ => truth(!left.is_zero() || !right.is_zero()),
        })
    }

    fn element(&mut self, place: &Place) -> Computed<Option<(String, i64)>> {
        let Some(index) = &place.index else {
            return Ok(None);
        };
        let index = self.value(index)?.to_i64().filter(|index| *index >= 0);
        let index = index.ok_or_else(|| format!("Array {} subscript out of bounds", place.name))?;
        Ok(Some((place.name.clone(), index)))
    }

    fn load(&mut self, place: &Place) -> Computed<Number> {
        if let Some(element) = self.element(place)? {
            return Ok(self
                .elements
                .get(&element)
                .cloned()
                .unwrap_or_else(Number::zero));
        }
        let base = |base: Option<u32>| Number::from(i64::from(base.unwrap_or(10)));
        Ok(match place.name.as_str() {
            "scale" => Number::from(self.scale as i64),
            "ibase" => base(self.input_base),
            "obase" => base(self.output_base),
            "last" => self.last.clone().unwrap_or_else(Number::zero),
            name => self.values.get(name).cloned().unwrap_or_else(Number::zero),
        })
    }

    fn store(&mut self, place: &Place, value: &Number) -> Computed<()> {
        if let Some(element) = self.element(place)? {
            self.elements.insert(element, value.clone());
            return Ok(());
        }
        let whole = value.to_i64().and_then(|whole| u32::try_from(whole).ok());
        match place.name.as_str() {
            "scale" => self.scale = whole.ok_or("negative scale, or one too large")? as usize,
            "ibase" => self.input_base = Some(whole.unwrap_or(2).clamp(2, 16)),
            "obase" => self.output_base = Some(whole.unwrap_or(2).max(2)),
            "last" => self.last = Some(value.clone()),
            name => {
                self.values.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }

    fn call(&mut self, name: &str, arguments: Vec<Number>) -> Computed<Number> {
        if let Some(function) = self.functions.get(name).cloned() {
            return self.defined(name, &function, arguments);
        }
        let [x] = arguments.as_slice() else {
            return Err(format!("Function {name} not defined."));
        };
        match name {
            "length" => Ok(Number::from(x.length() as i64)),
            "scale" => Ok(Number::from(x.scale() as i64)),
            "sqrt" => x
                .root(self.scale)
                .ok_or_else(|| "Square root of a negative number".to_owned()),
            _ if self.has_library => library::call(name, x, self.scale)
                .ok_or_else(|| format!("Function {name} has no value for {}.", x.show(10))),
            _ => Err(format!("Function {name} not defined.")),
        }
    }

    fn defined(
        &mut self,
        name: &str,
        (parameters, locals, body): &Function,
        arguments: Vec<Number>,
    ) -> Computed<Number> {
        if parameters.len() != arguments.len() {
            return Err(format!("Parameter number mismatch in {name}."));
        }
        if self.depth == CALL_DEPTH {
            return Err(format!(
                "{name} calls itself more than {CALL_DEPTH} times deep."
            ));
        }
        let names: Vec<&String> = parameters.iter().chain(locals).collect();
        let saved: Vec<Option<Number>> =
            names.iter().map(|name| self.values.remove(*name)).collect();
        self.values
            .extend(parameters.iter().cloned().zip(arguments));
        self.depth += 1;
        let flow = self.block(body);
        self.depth -= 1;
        for (name, old) in names.into_iter().zip(saved) {
            match old {
                Some(old) => self.values.insert(name.clone(), old),
                None => self.values.remove(name),
            };
        }
        Ok(match flow? {
            Flow::Return(value) => value,
            _ => Number::zero(),
        })
    }
}

fn truth(is: bool) -> Number {
    Number::from(i64::from(is))
}

/// The text of a `print`, in which a backslash means something.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('t')) => plain.push('\t'),
            ('\\', Some('q')) => plain.push('"'),
            ('\\', Some(other)) => plain.push(other),
            (letter, _) => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bc(text: &str) -> (String, String) {
        let mut report = Report::new("bc");
        Machine::default().run("(standard_in)", text, &mut report);
        (report.out, report.err)
    }

    fn shown(text: &str) -> String {
        let (out, err) = bc(text);
        assert_eq!(err, "", "{text}");
        out.trim_end().replace('\n', " ")
    }

    #[test]
    fn expressions_have_their_values() {
        assert_eq!(
            shown("1+2*3; (1+2)*3; 2^3^2; -2^2; 7%3; -7/2"),
            "7 9 512 4 1 -3"
        );
        assert_eq!(shown("scale=2; 5/3; 2/3*100; .5+.25"), "1.66 66.00 .75");
        assert_eq!(shown("10>5; 3==4; !0; 1&&0; 1||0"), "1 0 1 0 1");
        assert_eq!(
            shown("x=5; x*2; x+=1; x++; x; a[3]=7; a[3]; (y=4)"),
            "10 6 7 7 4"
        );
        assert_eq!(shown("obase=16; 255; ibase=2; 11"), "FF 3");
        assert_eq!(shown("sqrt(16); length(12345); scale(1.234)"), "4 5 3");
    }

    #[test]
    fn programs_loop_branch_and_call() {
        assert_eq!(shown("for (i = 0; i < 3; i++) i"), "0 1 2");
        assert_eq!(shown("i = 3; while (i > 0) { i; i -= 1 }"), "3 2 1");
        assert_eq!(shown("if (1 > 2) 1 else 2"), "2");
        assert_eq!(
            shown(
                "define f(n) { auto r; if (n <= 1) return (1); r = n * f(n-1); return (r) }\nf(20)"
            ),
            "2432902008176640000"
        );
        assert_eq!(shown("print \"a\\n\", 1+1, \"\\n\"; \"done\""), "a 2 done");
        assert_eq!(shown("1; quit; 2"), "1");
    }

    #[test]
    fn what_goes_wrong_is_said_and_the_rest_goes_on() {
        assert_eq!(
            bc("1/0; 2"),
            (
                "2\n".to_owned(),
                "Runtime error: Divide by zero\n".to_owned()
            )
        );
        assert_eq!(
            bc("1 +"),
            (String::new(), "(standard_in) 1: syntax error\n".to_owned())
        );
        assert_eq!(bc("f(1)").1, "Runtime error: Function f not defined.\n");
    }
}
