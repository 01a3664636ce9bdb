//! `<parameter>`, and the documents that bind a filter to an interface (spec 01, sections 3, 10, 11).

use crate::model::{Binding, Filters, InterfaceName, MacAddr, Owner, Parameters, VariableName};

use super::problem::{XmlError, quote, retell};
use super::read::DocumentReader;
use super::tree::{Attribute, Element};

impl<'t> DocumentReader<'t> {
    /// The parameters of a `<filterref>` (XML-21, XML-22), and what else stands in it.
    pub fn parameters(&mut self, element: &Element<'t>, in_filter: bool) -> Parameters {
        self.known_attributes(element, &["filter"]);
        self.known_children(element, &["parameter"]);
        let mut parameters = Parameters::new();
        for child in element.children_named("parameter") {
            self.known_attributes(child, &["name", "value"]);
            self.known_children(child, &[]);
            let Some((name, value)) = self.parameter(child) else { continue };
            if name.as_str() == "CTRL_IP_LEARNING" {
                let span = child.attribute("value").map_or(child.span(), Attribute::value_span);
                let known = ["any", "dhcp", "none"].iter().any(|method| value.eq_ignore_ascii_case(method));
                if in_filter {
                    self.warn(child.span(), XmlError::LearningInFilter);
                } else if !known {
                    self.warn(span, XmlError::BadLearningMethod { text: value.clone() });
                }
            }
            parameters.entry(name).or_default().push(value);
        }
        parameters
    }

    fn parameter(&mut self, element: &Element<'t>) -> Option<(VariableName, String)> {
        const NAME: &str = "a name has letters, digits and `_`";
        const VALUE: &str = "a value has letters, digits, `_`, `.` and `:`, so IPv4, IPv6 and MAC addresses fit";
        let Some(name) = element.attribute("name") else {
            return self.bad_parameter(element.span(), "it lacks the attribute `name`".to_owned(), NAME);
        };
        let Ok(parsed) = name.value.parse::<VariableName>() else {
            let why = format!("`{}` is not a name", quote(&name.value));
            return self.bad_parameter(name.value_span(), why, NAME);
        };
        if name.value.is_empty() && self.profile == crate::model::Profile::Nwf {
            return self.bad_parameter(name.value_span(), "its name is empty".to_owned(), NAME);
        }
        let Some(value) = element.attribute("value") else {
            return self.bad_parameter(element.span(), "it lacks the attribute `value`".to_owned(), VALUE);
        };
        if value.value.is_empty() {
            return self.bad_parameter(value.value_span(), "its value is empty".to_owned(), VALUE);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':');
        if let Some(wrong) = value.value.chars().find(|c| !c.is_ascii() || !c.to_string().bytes().all(allowed)) {
            let why = format!("its value `{}` has a `{}`", quote(&value.value), wrong.escape_debug());
            return self.bad_parameter(value.value_span(), why, VALUE);
        }
        Some((parsed, value.value.clone().into_owned()))
    }

    fn bad_parameter<T>(&mut self, span: std::ops::Range<usize>, why: String, help: &'static str) -> Option<T> {
        self.odd(span, XmlError::BadParameter { why, help });
        None
    }

    /// `<filterbinding>` (XML-120). None if something needed is missing or wrong, which has been told then.
    pub fn filter_binding(&mut self, element: &Element<'t>) -> Option<Binding> {
        const PARENT: &str = "filterbinding";
        self.known_attributes(element, &[]);
        self.known_children(element, &["owner", "portdev", "linkdev", "mac", "filterref", "backend"]);
        let at = self.at(element.start);
        let owner = self.needed(element, PARENT, "owner", "the guest: its `<name>` and `<uuid>`");
        let owner = owner.and_then(|owner| self.owner(owner));
        let port = self.needed(element, PARENT, "portdev", "the interface: `<portdev name='vnet0'/>`");
        let interface = port.and_then(|port| {
            self.known_attributes(port, &["name"]);
            self.known_children(port, &[]);
            self.interface_name(port, "portdev", "name")
        });
        let link_device = self.single(element, "linkdev").map(|link| {
            self.known_attributes(link, &["name"]);
            self.known_children(link, &[]);
            self.interface_name(link, "linkdev", "name")
        });
        let mac = self.needed(element, PARENT, "mac", "the guest's address: `<mac address='52:54:00:12:34:56'/>`");
        let mac = mac.and_then(|mac| {
            self.known_attributes(mac, &["address"]);
            self.known_children(mac, &[]);
            let help = "the guest's address: `<mac address='52:54:00:12:34:56'/>`";
            let address = self.needed_attribute(mac, "mac", "address", help)?;
            self.mac(address)
        });
        let reference = self.needed(element, PARENT, "filterref", "the filter: `<filterref filter='NAME'/>`");
        let reference = reference.and_then(|reference| self.top_level(reference));
        let backend = self.single(element, "backend").map(|backend| {
            self.known_attributes(backend, &["name"]);
            self.known_children(backend, &[]);
            let help = "the technology: `<backend name='nftables'/>`";
            Some(self.needed_attribute(backend, "backend", "name", help)?.value.clone().into_owned())
        });
        // What is optional may be absent, but not wrong: an inner none has been told.
        let (filter, parameters) = reference?;
        let link_device = match link_device {
            None => None,
            Some(link) => Some(link?),
        };
        let backend = match backend {
            None => None,
            Some(backend) => Some(backend?),
        };
        Some(Binding {
            interface: Some(interface?),
            mac: Some(mac?),
            filter,
            parameters,
            owner: Some(owner?),
            link_device,
            backend,
            at: Some(at),
        })
    }

    fn needed<'e>(
        &mut self,
        parent: &'e Element<'t>,
        parent_name: &'static str,
        name: &'static str,
        help: &'static str,
    ) -> Option<&'e Element<'t>> {
        let found = self.single(parent, name);
        if found.is_none() {
            self.error(parent.span(), XmlError::MissingElement { parent: parent_name, element: name, help });
        }
        found
    }

    fn needed_attribute<'e>(
        &mut self,
        element: &'e Element<'t>,
        element_name: &'static str,
        name: &'static str,
        help: &'static str,
    ) -> Option<&'e Attribute<'t>> {
        let attribute = element.attribute(name);
        let span = attribute.map_or(element.span(), Attribute::value_span);
        let attribute = attribute.filter(|attribute| !attribute.value.is_empty());
        if attribute.is_none() {
            self.error(span, XmlError::MissingAttribute { element: element_name, attribute: name, help });
        }
        attribute
    }

    fn owner(&mut self, element: &Element<'t>) -> Option<Owner> {
        self.known_attributes(element, &[]);
        self.known_children(element, &["name", "uuid"]);
        let name = self.needed(element, "owner", "name", "the guest's name");
        let uuid = self.needed(element, "owner", "uuid", "the guest's UUID");
        let name = name.and_then(|name| {
            self.known_attributes(name, &[]);
            self.known_children_of_text(name);
            if name.text.is_empty() {
                let error = XmlError::MissingElement { parent: "owner", element: "name", help: "it is empty" };
                self.error(name.span(), error);
                return None;
            }
            Some(name.text.clone().into_owned())
        });
        let uuid = uuid.and_then(|uuid| {
            self.known_attributes(uuid, &[]);
            if uuid.text.is_empty() {
                let error = XmlError::MissingElement { parent: "owner", element: "uuid", help: "it is empty" };
                self.error(uuid.span(), error);
            }
            self.uuid(uuid)
        });
        Some(Owner { name: name?, uuid: uuid? })
    }

    fn interface_name(
        &mut self,
        element: &Element<'t>,
        element_name: &'static str,
        name: &'static str,
    ) -> Option<InterfaceName> {
        let help = "the name of the device, such as `vnet0`";
        let attribute = self.needed_attribute(element, element_name, name, help)?;
        match attribute.value.parse() {
            Ok(interface) => Some(interface),
            Err(invalid) => {
                let invalid = retell(&attribute.value, invalid, str::parse::<InterfaceName>);
                self.error(attribute.value_span(), XmlError::BadInterfaceName(invalid));
                None
            }
        }
    }

    fn mac(&mut self, attribute: &Attribute<'t>) -> Option<MacAddr> {
        let mac = attribute.value.parse().ok();
        if mac.is_none() {
            let text = attribute.value.clone().into_owned();
            self.error(attribute.value_span(), XmlError::BadMac { text });
        }
        mac
    }

    /// The top-level filter of an interface and its parameters (XML-110).
    fn top_level(&mut self, element: &Element<'t>) -> Option<(crate::model::FilterName, Parameters)> {
        let parameters = self.parameters(element, false);
        let Some(attribute) = element.attribute("filter").filter(|attribute| !attribute.value.is_empty()) else {
            self.missing_filter(element);
            return None;
        };
        let filter = self.checked_filter_name(&attribute.value, attribute.value_span())?;
        Some((filter, parameters))
    }

    /// `<interface>` of a guest (XML-110, XML-111). None if it has no filter, or if something is wrong, which
    /// has been told then. What does not concern filters is libvirt's business and is not looked at.
    pub fn interface(&mut self, element: &Element<'t>, owner: Option<&Owner>) -> Option<Binding> {
        const SUPPORTED: [&str; 3] = ["network", "bridge", "ethernet"];
        let reference = self.single(element, "filterref")?;
        let at = self.at(element.start);
        let Some(kind) = element.attribute("type") else {
            let help = "the type of the interface: `bridge`, `network` or `ethernet`";
            let error = XmlError::MissingAttribute { element: "interface", attribute: "type", help };
            self.error(element.span(), error);
            return None;
        };
        if !SUPPORTED.contains(&kind.value.as_ref()) {
            let error = XmlError::UnsupportedInterface { kind: kind.value.clone().into_owned() };
            self.odd(kind.value_span(), error);
            return None;
        }
        let mac = element.child("mac").and_then(|mac| mac.attribute("address"));
        let mac = mac.map(|address| self.mac(address));
        let device = element.child("target").filter(|target| target.attribute("dev").is_some());
        let device = device.map(|target| self.interface_name(target, "target", "dev"));
        let (filter, parameters) = self.top_level(reference)?;
        let mac = match mac {
            None => None,
            Some(mac) => Some(mac?),
        };
        let interface = match device {
            None => None,
            Some(device) => Some(device?),
        };
        Some(Binding {
            interface,
            mac,
            filter,
            parameters,
            owner: owner.cloned(),
            link_device: None,
            backend: None,
            at: Some(at),
        })
    }

    /// `<domain>`: a binding for each of its interfaces that has a filter.
    pub fn domain(&mut self, element: &Element<'t>, filters: &mut Filters) {
        let name = element.child("name").map(|name| name.text.trim().to_owned()).filter(|name| !name.is_empty());
        let uuid = element.child("uuid").filter(|uuid| !uuid.text.is_empty()).and_then(|uuid| self.uuid(uuid));
        // A definition that libvirt has not seen yet may lack the UUID; then nobody owns the binding.
        let owner = name.zip(uuid).map(|(name, uuid)| Owner { name, uuid });
        let devices = element.children_named("devices");
        for interface in devices.flat_map(|devices| devices.children_named("interface")) {
            filters.bindings.extend(self.interface(interface, owner.as_ref()));
        }
    }
}
