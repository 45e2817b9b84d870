//! Strategies that are used together: the shipped ones, or those of a folder, with the recordings beside them.

use crate::parse::{parse, stem};
use crate::strategy::{PageKind, Status, Strategy};
use event::{Problem, SmolStr};
use finding::RuleCard;
use sigma::{Rule, RuleSet};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Longest recording that is read; it bounds memory, and a page that needs more is no page.
pub const RECORDING_BYTES_MAX: u64 = 64 << 20;

/// Some strategies.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    strategies: Vec<Strategy>,
    /// Pages that an umbrella binds and that were not asked for themselves.
    beside: Vec<Strategy>,
    /// Where the recordings of each page's file lie; absent for shipped ones.
    folders: BTreeMap<String, PathBuf>,
}

impl Pack {
    /// The strategies in the program itself.
    pub fn shipped() -> (Pack, Vec<Problem>) {
        let mut pack = Pack::default();
        let mut problems = Vec::new();
        for (name, bytes) in SHIPPED.iter().filter(|(name, _)| is_page(name)) {
            let text = String::from_utf8_lossy(bytes);
            let (strategy, found) = parse(&text, &format!("strategies/{name}"));
            problems.extend(found);
            pack.strategies.push(strategy);
        }
        problems.extend(pack.check());
        (pack, problems)
    }

    /// A page, a Sigma file, or every one of them in a folder (not below it: folders hold recordings; plain Sigma may be in folders of folders).
    ///
    /// # Errors
    /// When the path cannot be read.
    pub fn load(path: &Path) -> std::io::Result<(Pack, Vec<Problem>)> {
        let mut files = Vec::new();
        if path.is_dir() {
            list(path, true, &mut files)?;
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        let mut pack = Pack::default();
        let mut problems = Vec::new();
        for file in files {
            let (strategy, found) = pack.read(&file)?;
            problems.extend(found);
            pack.strategies.push(strategy);
        }
        pack.fetch_bound(path.parent().filter(|_| !path.is_dir()));
        problems.extend(pack.check());
        Ok((pack, problems))
    }

    fn read(&mut self, file: &Path) -> std::io::Result<(Strategy, Vec<Problem>)> {
        let text = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
        let name = file.display().to_string();
        self.folders.insert(name.clone(), file.parent().unwrap_or(Path::new(".")).to_owned());
        Ok(if is_sigma(&name) { plain(&text, &name) } else { parse(&text, &name) })
    }

    /// Pages that an umbrella binds and that lie beside it. What is not there is told by `check`, and what is wrong with them when they are asked for.
    fn fetch_bound(&mut self, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        for id in self.strategies.iter().flat_map(|page| page.binds.clone()).collect::<Vec<_>>() {
            if self.strategy(&id).is_none()
                && let Ok((bound, _)) = self.read(&folder.join(format!("{id}.md")))
            {
                self.beside.push(bound);
            }
        }
    }

    /// A page that is here, or that one here binds.
    pub fn known(&self, id: &str) -> Option<&Strategy> {
        self.strategies.iter().chain(&self.beside).find(|strategy| strategy.id == id)
    }

    /// A pack of pages whose recordings lie in a folder; for tests and editors that have a page's text at hand.
    pub fn of(strategies: Vec<Strategy>, folder: &Path) -> Pack {
        let folders = strategies.iter().map(|strategy| (strategy.file.clone(), folder.to_owned())).collect();
        Pack { strategies, beside: Vec::new(), folders }
    }

    /// The strategies, in order.
    pub fn strategies(&self) -> &[Strategy] {
        &self.strategies
    }

    /// The strategy of that id.
    pub fn strategy(&self, id: &str) -> Option<&Strategy> {
        self.strategies.iter().find(|strategy| strategy.id == id)
    }

    /// Adds another pack; a strategy of the same id replaces the one that was there.
    pub fn extend(&mut self, other: Pack) {
        for strategy in other.strategies {
            match self.strategies.iter_mut().find(|known| known.id == strategy.id) {
                Some(known) => *known = strategy,
                None => self.strategies.push(strategy),
            }
        }
        self.beside.extend(other.beside);
        self.folders.extend(other.folders);
    }

    /// Keeps the strategies whose id is wanted, and those that a wanted umbrella binds: it has no rules of its own.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str) -> bool) {
        let mut kept: Vec<SmolStr> = self.strategies.iter().map(|strategy| strategy.id.clone()).filter(|id| wanted(id)).collect();
        let bound: Vec<SmolStr> =
            self.strategies.iter().filter(|page| kept.contains(&page.id)).flat_map(|page| page.binds.iter().cloned()).collect();
        kept.extend(bound);
        self.strategies.retain(|strategy| kept.contains(&strategy.id));
    }

    /// All rules, in the order of the strategies.
    pub fn rules(&self) -> Vec<Rule> {
        self.strategies.iter().flat_map(|strategy| strategy.rules.iter().cloned()).collect()
    }

    /// What the judge must know of each rule of a compiled set, at the same index.
    pub fn cards(&self, set: &RuleSet) -> Vec<RuleCard> {
        set.rules().iter().map(|rule| self.card(rule)).collect()
    }

    fn card(&self, rule: &Rule) -> RuleCard {
        let strategy = self.strategies.iter().chain(&self.beside).find(|strategy| strategy.file == rule.file);
        let id = strategy.map_or_else(|| SmolStr::new(&rule.name), |strategy| strategy.id.clone());
        let of_page = strategy.into_iter().flat_map(Strategy::techniques);
        let of_tags = rule.tags.iter().filter_map(|tag| tag.strip_prefix("attack.t")).map(|digits| SmolStr::new(format!("T{digits}")));
        let mut attack: Vec<SmolStr> = Vec::new();
        for technique in of_page.chain(of_tags) {
            if !attack.contains(&technique) {
                attack.push(technique);
            }
        }
        RuleCard {
            strategy: id.clone(),
            strategy_title: strategy.map_or(rule.title.as_str(), |strategy| strategy.title.as_str()).into(),
            rule: rule.name.as_str().into(),
            title: rule.title.as_str().into(),
            level: rule.level,
            entity: entity(rule),
            message: if rule.message.is_empty() { rule.title.as_str().into() } else { rule.message.as_str().into() },
            behaviour: rule.behaviour.clone().unwrap_or(id),
            explainable: rule.explainable,
            attack,
            window: rule.correlation.as_ref().map_or(event::Span::ZERO, |correlation| correlation.timespan),
        }
    }

    /// A recording of a page, as it lies there (maybe compressed), with its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn recording(&self, strategy: &Strategy, name: &str) -> Result<Vec<u8>, String> {
        if name.split(['/', '\\']).any(|part| part == "..") || name.starts_with('/') {
            return Err(format!("the recording {name:?} lies outside the strategies' folder"));
        }
        let inner = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", strategy.id) };
        if let Some(folder) = self.folders.get(&strategy.file) {
            let path = folder.join(&inner);
            return match std::fs::metadata(&path) {
                Ok(meta) if meta.len() > RECORDING_BYTES_MAX => Err(format!("{} is larger than 64 MiB", path.display())),
                Ok(_) => std::fs::read(&path).map_err(|err| format!("{}: {err}", path.display())),
                Err(_) => shipped(&inner).ok_or_else(|| format!("there is no recording {}", path.display())),
            };
        }
        shipped(&inner).ok_or_else(|| format!("there is no recording {inner}"))
    }

    /// What only shows when the pages are together.
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for page in self.strategies.iter().filter(|page| page.kind == PageKind::Umbrella) {
            for bound in page.binds.iter().filter(|bound| self.known(bound).is_none()) {
                let problem = Problem::error(&page.file, 1, "binds-unknown", format!("binds {bound:?}, which is no page here"));
                let known = self.strategies.iter().map(|strategy| strategy.id.as_str());
                problems.push(match event::problem::nearest(bound, known) {
                    Some(near) => problem.remedy(format!("did you mean `{near}`?")),
                    None => problem.remedy("add the page, or take it out of `binds`"),
                });
            }
            for row in &page.priority {
                let Some((strategy, name)) = row.rule.split_once('/') else { continue };
                let rule = self.known(strategy).and_then(|bound| bound.rules.iter().find(|rule| rule.name == name));
                match rule {
                    None => problems.push(
                        Problem::error(
                            &page.file,
                            row.line,
                            "priority-rule",
                            format!("the priority names {:?}, which is no rule here", row.rule),
                        )
                        .remedy("write `strategy/rule`"),
                    ),
                    Some(rule) if rule.level != row.level => problems.push(
                        Problem::error(
                            &page.file,
                            row.line,
                            "priority-level",
                            format!("the priority says {} for {:?}, its rule says {}", row.level, row.rule, rule.level),
                        )
                        .remedy("let both say the same"),
                    ),
                    Some(_) => {}
                }
            }
        }
        problems
    }
}

/// Fields that say what a rule's finding is about: its own, else the container, else the host.
fn entity(rule: &Rule) -> Vec<SmolStr> {
    if !rule.entity.is_empty() {
        return rule.entity.clone();
    }
    let of_container = !rule.kinds.is_empty() && rule.kinds.iter().all(|kind| kind.has_field(event::dictionary::CONTAINER_ID));
    vec![SmolStr::new_static(if of_container { "container.id" } else { "host.name" })]
}

fn shipped(name: &str) -> Option<Vec<u8>> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes.to_vec())
}

fn is_page(name: &str) -> bool {
    name.ends_with(".md") && !name.contains('/')
}

fn is_sigma(name: &str) -> bool {
    name.ends_with(".yml") || name.ends_with(".yaml")
}

/// Pages of a folder; Sigma files below it too.
fn list(dir: &Path, top: bool, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.display().to_string();
        if path.is_dir() {
            list(&path, false, files)?;
        } else if is_sigma(&name) || (top && name.ends_with(".md")) {
            files.push(path);
        }
    }
    Ok(())
}

/// A plain Sigma file: a draft without claims.
fn plain(text: &str, file: &str) -> (Strategy, Vec<Problem>) {
    let (rules, problems) = sigma::parse(text, file, 1);
    let strategy = Strategy {
        id: stem(file),
        title: rules.first().map(|rule| rule.title.clone()).unwrap_or_default(),
        file: file.to_owned(),
        status: Status::Draft,
        kind: PageKind::Plain,
        sources: Vec::new(),
        enrichment: Vec::new(),
        binds: Vec::new(),
        authors: Vec::new(),
        version: String::new(),
        sections: Vec::new(),
        techniques: Vec::new(),
        rules,
        scenarios: Vec::new(),
        priority: Vec::new(),
        holes: Vec::new(),
        text: text.to_owned(),
    };
    (strategy, problems)
}
