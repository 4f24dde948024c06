//! Which objects a command that changes things is about: words, selectors, `--all`, or files.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::api::kinds::Scope;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::objects::files::Files;
use crate::cli::objects::resolve;
use crate::cli::objects::words;
use crate::cli::objects::words::Words;
use crate::client::Client;
use crate::client::ListOptions;

/// One object that is meant; whether it is there is not known yet.
#[derive(Clone, Debug)]
pub struct Meant {
    pub kind: &'static Kind,
    pub key: Key,
}

/// The selecting flags that label, annotate, delete and patch share.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    pub words: &'a [String],
    pub files: Option<&'a Files>,
    pub selector: &'a str,
    pub field_selector: &'a str,
    pub all: bool,
    pub all_namespaces: bool,
}

/// The flags that narrow a type down, the same for every command that takes types.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Filter {
    /// Only objects with these labels: a=b,c!=d,e in (x,y),!f
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub selector: String,
    /// Only objects with these fields: metadata.name=a,status.phase!=Running
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub field_selector: String,
    /// In every project
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl Filter {
    /// Words and files narrowed down by it; `all` says that whole types are meant.
    pub fn of<'a>(&'a self, words: &'a [String], files: &'a Files, all: bool) -> Selection<'a> {
        Selection {
            words,
            files: Some(files),
            selector: &self.selector,
            field_selector: &self.field_selector,
            all,
            all_namespaces: self.all_namespaces,
        }
    }

    /// What a list is asked for.
    pub fn options(&self) -> ListOptions {
        ListOptions {
            label_selector: self.selector.clone(),
            field_selector: self.field_selector.clone(),
            ..ListOptions::default()
        }
    }
}

impl Selection<'_> {
    /// What is typed wrong regardless of the server.
    pub fn check(&self, command: &str, context: &Context) -> Result<(), Failure> {
        if self.files.is_some_and(|files| !files.is_empty()) {
            return Ok(());
        }
        let selects = !self.selector.is_empty() || !self.field_selector.is_empty();
        let wrong = match words::read(context.name(), command, self.words)? {
            Words::Named(_) if selects => "name cannot be provided when a selector is specified",
            Words::Named(_) if self.all => {
                "name cannot be provided when all resources are selected (--all)"
            }
            Words::Types(types) if types.is_empty() => {
                "You must provide one or more resources by argument or filename."
            }
            Words::Types(_) if !selects && !self.all => {
                "resource(s) were provided, but no name was specified"
            }
            Words::Named(_) | Words::Types(_) => return Ok(()),
        };
        Err(Failure::usage(wrong))
    }

    /// The objects, in the order in which they were named.
    pub async fn find(
        &self,
        command: &str,
        context: &Context,
        client: &Client,
        namespace: &str,
    ) -> Result<Vec<Meant>, Failure> {
        if let Some(files) = self.files.filter(|files| !files.is_empty()) {
            return in_files(files, context, client, namespace).await;
        }
        self.check(command, context)?;
        match words::read(context.name(), command, self.words)? {
            Words::Named(named) => {
                let mut meant = Vec::new();
                for (word, name) in named {
                    for kind in resolve::words(client, &word).await? {
                        meant.push(Meant {
                            kind,
                            key: place(kind, namespace, &name),
                        });
                    }
                }
                Ok(meant)
            }
            Words::Types(types) => self.listed(&types, client, namespace).await,
        }
    }

    async fn listed(
        &self,
        types: &[String],
        client: &Client,
        namespace: &str,
    ) -> Result<Vec<Meant>, Failure> {
        let options = ListOptions {
            label_selector: self.selector.to_owned(),
            field_selector: self.field_selector.to_owned(),
            ..ListOptions::default()
        };
        let namespace = if self.all_namespaces { "" } else { namespace };
        let mut meant = Vec::new();
        for word in types {
            for kind in resolve::words(client, word).await? {
                let namespace = if kind.scope == Scope::Cluster {
                    ""
                } else {
                    namespace
                };
                let list = client.list_objects(kind, namespace, &options).await?;
                meant.extend(list.items.iter().map(|object| Meant {
                    kind,
                    key: key(object),
                }));
            }
        }
        Ok(meant)
    }
}

async fn in_files(
    files: &Files,
    context: &Context,
    client: &Client,
    namespace: &str,
) -> Result<Vec<Meant>, Failure> {
    let mut meant = Vec::new();
    for found in files.read(context)? {
        let kind = resolve::object(client, &found.object, &found.file).await?;
        let mut key = key(&found.object);
        if key.namespace.is_empty() || kind.scope == Scope::Cluster {
            key = place(kind, namespace, &key.name);
        }
        meant.push(Meant { kind, key });
    }
    Ok(meant)
}

/// The key of a name: cluster-scoped kinds have no namespace.
pub fn place(kind: &Kind, namespace: &str, name: &str) -> Key {
    match kind.scope {
        Scope::Cluster => Key::new("", name),
        Scope::Namespaced => Key::new(namespace, name),
    }
}

/// The key that an object carries.
pub fn key(object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    Key::new(text("namespace"), text("name"))
}

/// The label selector of the pods that an object keeps or leads to; none if it has nothing to do with pods.
pub fn pods(object: &Value) -> Option<String> {
    let selector = &object["spec"]["selector"];
    let labels = match &selector["matchLabels"] {
        Value::Null => selector,
        labels => labels,
    };
    let labels: BTreeMap<String, String> = serde_json::from_value(labels.clone()).ok()?;
    if labels.is_empty() {
        return None;
    }
    let terms: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Some(terms.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_names_its_pods() {
        let selector = serde_json::json!({"app": "x", "deployment": "x-1"});
        let rc = serde_json::json!({"spec": {"selector": selector}});
        assert_eq!(pods(&rc).unwrap(), "app=x,deployment=x-1");
        let rs = serde_json::json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}});
        assert_eq!(pods(&rs).unwrap(), "app=x");
        assert_eq!(pods(&serde_json::json!({"data": {}})), None);
        assert_eq!(pods(&serde_json::json!({"spec": {}})), None);
    }
}
