//! What several commands load: strategies, further rules, the operator's context.

use crate::ui::{Failure, Ui};
use event::{Gravity, Problem};
use inventory::Context;
use sigma::RuleSet;
use source::mapping::Mappings;
use std::path::PathBuf;
use std::sync::Arc;
use strategy::Pack;

/// Which rules and which context to work with.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Rules and context")]
pub struct Detection {
    /// Further strategies (.md) or Sigma rules (.yml), files or folders, beside the shipped ones
    #[arg(long, short = 'r', value_name = "PATH")]
    pub rules: Vec<PathBuf>,
    /// Leave the shipped strategies out
    #[arg(long)]
    pub no_shipped: bool,
    /// Only these strategies
    #[arg(long, short = 's', value_name = "ID", value_delimiter = ',')]
    pub strategy: Vec<String>,
    /// What is known and accepted here (TOML)
    #[arg(long, value_name = "FILE", env = "LANDWAITER_CONTEXT")]
    pub context: Option<PathBuf>,
    /// Mapping files of further sources, files or folders, beside ./sources.d and /etc/landwaiter/sources.d
    #[arg(long, value_name = "DIR")]
    pub sources: Vec<PathBuf>,
}

/// Where mapping files are looked for unasked: of the machine, and of the project that is being worked on.
const SOURCES: [&str; 2] = ["/etc/landwaiter/sources.d", "sources.d"];

/// What was loaded.
pub struct Loaded {
    /// The strategies in use.
    pub pack: Pack,
    /// Their rules, compiled, with the judge's table.
    pub rules: engine::Rules,
    /// What is known and accepted.
    pub context: Context,
    /// Decodes records, those of mapped sources included.
    pub preparer: source::Preparer,
}

impl Detection {
    /// Loads everything; warnings are said, errors end it.
    ///
    /// # Errors
    /// When a file cannot be read, or a text has errors: all of them at once.
    pub fn load(&self, ui: &Ui) -> Result<Loaded, Failure> {
        let pack = self.pack(ui)?;
        let rules = compile(ui, &pack)?;
        let context = self.read_context(ui)?;
        let preparer = self.preparer(ui)?;
        Ok(Loaded { pack, rules, context, preparer })
    }

    /// Decodes records, with the mapping files that were named or stand where they are looked for.
    ///
    /// # Errors
    /// When one cannot be read, or has errors: all of them at once.
    pub fn preparer(&self, ui: &Ui) -> Result<source::Preparer, Failure> {
        mappings(&self.sources, ui).map(source::Preparer::new)
    }

    /// The strategies in use.
    ///
    /// # Errors
    /// As `load`.
    pub fn pack(&self, ui: &Ui) -> Result<Pack, Failure> {
        let (mut pack, mut problems) = if self.no_shipped { (Pack::default(), Vec::new()) } else { Pack::shipped() };
        // Warnings about shipped pages are for `strategy check`: whoever only replays cannot mend them.
        problems.retain(|problem| problem.gravity == Gravity::Error);
        for path in &self.rules {
            let (more, found) = Pack::load(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
            pack.extend(more);
            problems.extend(found);
        }
        settle(ui, problems, "use these strategies")?;
        if !self.strategy.is_empty() {
            let known: Vec<String> = pack.strategies().iter().map(|strategy| strategy.id.to_string()).collect();
            for id in &self.strategy {
                if !known.contains(id) {
                    let near = event::problem::nearest(id, known.iter().map(String::as_str));
                    let remedy = near.map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean {near}?"));
                    return Err(Failure::new(format!("find a strategy named {id}")).remedy(remedy));
                }
            }
            pack.retain(|id| self.strategy.iter().any(|wanted| wanted == id));
        }
        Ok(pack)
    }

    fn read_context(&self, ui: &Ui) -> Result<Context, Failure> {
        let Some(path) = &self.context else { return Ok(Context::default()) };
        let text = std::fs::read_to_string(path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?;
        let (context, problems) = Context::parse(&text, &path.display().to_string());
        settle(ui, problems, "use this context")?;
        Ok(context)
    }
}

/// The mapped sources.
///
/// # Errors
/// When a mapping file cannot be read, or has errors.
pub fn mappings(named: &[PathBuf], ui: &Ui) -> Result<Mappings, Failure> {
    let mut mappings = Mappings::default();
    let mut problems = Vec::new();
    let unasked = SOURCES.iter().map(PathBuf::from).filter(|path| path.is_dir());
    let mut seen = Vec::new();
    for path in unasked.chain(named.iter().cloned()) {
        // A folder that is named although it is looked for anyway is read once.
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            continue;
        }
        problems.extend(mappings.load(&path).map_err(|e| Failure::new(format!("read {}: {e}", path.display())))?);
        seen.push(real);
    }
    settle(ui, problems, "use these mapping files")?;
    Ok(mappings)
}

/// Compiles the rules of a pack, with the judge's table beside them.
///
/// # Errors
/// When a rule cannot be compiled.
pub fn compile(ui: &Ui, pack: &Pack) -> Result<engine::Rules, Failure> {
    let (set, problems) = RuleSet::compile(pack.rules());
    settle(ui, problems, "compile these rules")?;
    let cards = pack.cards(&set);
    Ok(engine::Rules { set: Arc::new(set), cards: Arc::new(cards) })
}

/// Says the warnings; fails with the errors.
pub fn settle(ui: &Ui, problems: Vec<Problem>, what: &str) -> Result<(), Failure> {
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) = problems.into_iter().partition(|p| p.gravity == Gravity::Error);
    for warning in &warnings {
        ui.note(&warning.to_string());
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::new(what).problems(errors)) }
}
