//! Image streams, their tags, and images, in oc's rows (facts/oc.md 7.2).

use serde_json::Value;

use crate::api::image::Image;
use crate::api::image::ImageStream;
use crate::api::image::TagReference;
use crate::api::meta::Metadata;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::describe::page::Page;
use crate::cli::describe::page::ago;
use crate::cli::describe::view;

/// Writes an image stream; `object` is the whole of it, for what the view leaves out.
pub fn stream(one: &ImageStream, object: &Value, now: Timestamp, page: &mut Page) {
    page.openshift_metadata(&one.metadata, now);
    let public = object["status"]["publicDockerImageRepository"].as_str();
    let repository = public.unwrap_or(&one.status.docker_image_repository);
    page.field("Image Repository", repository);
    let local = object["spec"]["lookupPolicy"]["local"] == true;
    page.field("Image Lookup", format!("local={local}"));
    let tags = tags(one);
    if tags.is_empty() {
        page.field("Tags", "");
        return;
    }
    let mut images: Vec<&str> = one
        .status
        .tags
        .iter()
        .flat_map(|tag| &tag.items)
        .map(|item| match item.image.as_str() {
            "" => item.docker_image_reference.as_str(),
            image => image,
        })
        .collect();
    images.sort_unstable();
    images.dedup();
    page.field("Unique Images", images.len().to_string());
    page.field("Tags", tags.len().to_string());
    for tag in tags {
        page.gap();
        history(one, tag, now, page);
    }
}

/// The names of all tags: `latest` first, then as they sort, downwards.
fn tags(one: &ImageStream) -> Vec<&str> {
    let wanted = one.spec.tags.iter().map(|tag| tag.name.as_str());
    let there = one.status.tags.iter().map(|tag| tag.tag.as_str());
    let mut tags: Vec<&str> = wanted.chain(there).collect();
    tags.sort_unstable_by_key(|tag| (*tag == "latest", *tag));
    tags.dedup();
    tags.reverse();
    tags
}

fn history(one: &ImageStream, tag: &str, now: Timestamp, page: &mut Page) {
    page.line(tag);
    let wanted = one.spec.tags.iter().find(|wanted| wanted.name == tag);
    page.line(&format!("  {}", origin(one, wanted)));
    let shown = wanted
        .map(|wanted| &wanted.annotations)
        .filter(|all| !all.is_empty());
    for (key, title) in [
        ("openshift.io/display-name", ""),
        ("description", ""),
        ("tags", "Tags: "),
        ("supports", "Supports: "),
        ("sampleRepo", "Example Repo: "),
    ] {
        if let Some(value) = shown.and_then(|shown| shown.get(key)) {
            let value = if key == "tags" {
                value.replace(',', ", ")
            } else {
                value.clone()
            };
            page.line(&format!("    {title}{value}"));
        }
    }
    page.gap();
    let items = one.status.tags.iter().find(|found| found.tag == tag);
    let items = items.map_or(&[][..], |found| &found.items);
    if items.is_empty() {
        page.line("  ~ importing latest image ...");
    }
    for (index, item) in items.iter().enumerate() {
        let mark = if index == 0 { "* " } else { "  " };
        page.line(&format!("  {mark}{}", item.docker_image_reference));
        let created = item
            .created
            .map_or_else(|| "<unknown>".to_owned(), |at| ago(at, now));
        page.line(&format!("      {created}"));
    }
}

fn origin(one: &ImageStream, wanted: Option<&TagReference>) -> String {
    let Some(wanted) = wanted else {
        return "no spec tag".to_owned();
    };
    match &wanted.from {
        None => "pushed image".to_owned(),
        Some(from) if from.namespace.is_empty() || from.namespace == one.metadata.namespace => {
            format!("tagged from {}", from.name)
        }
        Some(from) => format!("tagged from {}/{}", from.namespace, from.name),
    }
}

/// Writes an image.
pub fn image(one: &Image, now: Timestamp, page: &mut Page) {
    page.field("Image Name", &one.metadata.name);
    page.field("Docker Image", &one.docker_image_reference);
    inside(one, &one.metadata, now, page);
}

/// Writes an image stream tag: the tag's name, then its image.
pub fn tag(object: &Value, now: Timestamp, page: &mut Page) {
    let metadata: Metadata = view(&object["metadata"]);
    let image: Image = view(&object["image"]);
    page.field("Name", &metadata.name);
    page.field("Docker Image", &image.docker_image_reference);
    page.field("Image Name", &image.metadata.name);
    inside(&image, &metadata, now, page);
}

fn inside(image: &Image, metadata: &Metadata, now: Timestamp, page: &mut Page) {
    let about = &image.docker_image_metadata;
    if let Some(created) = metadata.creation_timestamp {
        page.field("Created", ago(created, now));
    }
    let sizes: Vec<u64> = image
        .docker_image_layers
        .iter()
        .map(|layer| layer.size)
        .collect();
    let total = about["Size"].as_u64().filter(|size| *size > 0);
    let total = total.unwrap_or_else(|| sizes.iter().sum());
    page.field(
        "Image Size",
        format!(
            "{} in {}",
            text::size(total),
            text::count(sizes.len(), "layer")
        ),
    );
    let mut head = "Layers:";
    for layer in &image.docker_image_layers {
        page.line(&format!(
            "{head}\t{}\t{}",
            text::size(layer.size),
            layer.name
        ));
        head = "";
    }
    let made = about["Created"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    if let Some(made) = made.filter(|made| made.as_second() > 0) {
        page.field("Image Created", ago(made, now));
    }
    let text = |field: &str| about[field].as_str().unwrap_or_default();
    page.field("Author", text("Author"));
    page.field_if("Arch", text("Architecture"));
    let config = &about["Config"];
    let list = |field: &str| -> Vec<String> {
        let all = config[field].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    page.field_if("Entrypoint", list("Entrypoint").join(" "));
    page.field_if("Command", list("Cmd").join(" "));
    page.field_if(
        "Working Dir",
        config["WorkingDir"].as_str().unwrap_or_default(),
    );
    page.field_if("User", config["User"].as_str().unwrap_or_default());
    let ports = config["ExposedPorts"].as_object().into_iter().flatten();
    let ports: Vec<&str> = ports.map(|(port, _)| port.as_str()).collect();
    page.field_if("Exposes Ports", ports.join(", "));
    let labels = config["Labels"].as_object().into_iter().flatten();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    page.field_if("Docker Labels", labels.join("\n"));
    page.field_if("Environment", list("Env").join("\n"));
}
