//! The person at the other end: colour, width, progress, and how a failure is said.

use anstyle::{AnsiColor, Style};
use event::{Level, Problem};
use std::io::{IsTerminal, Write};

/// Options that every command has.
#[derive(clap::Args, Clone, Debug)]
pub struct Global {
    /// Colour: auto follows the terminal and NO_COLOR.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: When,
    /// Say nothing but results and failures.
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a command may show, and how.
#[derive(Clone, Debug)]
pub struct Ui {
    color: bool,
    /// Columns to fill.
    pub width: usize,
    quiet: bool,
    progress: bool,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// A lower-case fragment that fits after "landwaiter: could not".
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
    /// Problems in texts, each with its place.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// A failure with nothing more to say.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), remedy: String::new(), problems: Vec::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = remedy.into();
        self
    }

    /// Adds problems in texts.
    #[must_use]
    pub fn problems(mut self, problems: Vec<Problem>) -> Failure {
        self.problems = problems;
        self
    }
}

impl Ui {
    /// Looks at the terminal once.
    pub fn new(global: &Global) -> Ui {
        match global.color {
            When::Auto => {}
            When::Always => anstream::ColorChoice::Always.write_global(),
            When::Never => anstream::ColorChoice::Never.write_global(),
        }
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => !matches!(anstream::AutoStream::choice(&std::io::stdout()), anstream::ColorChoice::Never),
        };
        let width = match terminal_size::terminal_size() {
            Some((terminal_size::Width(columns), _)) if std::io::stdout().is_terminal() => usize::from(columns).clamp(40, 140),
            _ => 100,
        };
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Ui { color, width, quiet: global.quiet, progress: std::io::stderr().is_terminal() && !global.quiet && !dumb }
    }

    /// Wraps `text` in a style, when colours are on.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The style of a severity.
    pub fn level_style(level: Level) -> Style {
        let color = match level {
            Level::Informational => AnsiColor::BrightBlack,
            Level::Low => AnsiColor::Cyan,
            Level::Medium => AnsiColor::Yellow,
            Level::High => AnsiColor::Red,
            Level::Critical => AnsiColor::BrightRed,
        };
        let style = Style::new().fg_color(Some(color.into()));
        if level >= Level::High { style.bold() } else { style }
    }

    /// Dim text.
    pub fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// Bold text.
    pub fn bold(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    /// A line of results on standard output. A reader who has gone away (`| head`) ends the program quietly; results that are lost in any other way, on a
    /// full disk for one, end it as a failure.
    pub fn out(&self, line: &str) {
        let mut stdout = anstream::stdout().lock();
        if let Err(error) = writeln!(stdout, "{line}") {
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                std::process::exit(0);
            }
            self.failure(&Failure::new(format!("write the results: {error}")));
            std::process::exit(2);
        }
    }

    /// A remark on standard error.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            self.clear_progress();
            anstream::eprintln!("{line}");
        }
    }

    /// Progress on standard error, overwritten by the next; only on a terminal.
    pub fn progress(&self, line: &str) {
        if self.progress {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[2K{line}");
            let _ = stderr.flush();
        }
    }

    /// Removes the progress line.
    pub fn clear_progress(&self) {
        if self.progress {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[2K");
            let _ = stderr.flush();
        }
    }

    /// Problems in texts, one a line.
    pub fn problems(&self, problems: &[Problem]) {
        for problem in problems {
            anstream::eprintln!("{}", crate::render::printable_lines(&problem.to_string()));
        }
    }

    /// Why a command could not do its work.
    pub fn failure(&self, failure: &Failure) {
        self.clear_progress();
        self.problems(&failure.problems);
        let head = self.paint(Style::new().fg_color(Some(AnsiColor::Red.into())).bold(), "landwaiter");
        anstream::eprintln!("{head}: could not {}", crate::render::printable_lines(&failure.message));
        if !failure.remedy.is_empty() {
            anstream::eprintln!("  {}", failure.remedy);
        }
    }
}
