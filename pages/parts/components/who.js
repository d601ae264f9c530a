// The name of who sits here, kept in this browser.

const STORED = "dn2-name";

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const field = kept(parentElement, build);
  field.tell = (name) => setStateValue("name", name);
  field.show(data);
}

function build(host) {
  const root = host.querySelector(".root");
  const label = element("label", "", root);
  const word = element("span", "quiet", label);
  const input = element("input", "", label);
  const self = { tell: () => {}, show };
  let told = null;

  function show(data) {
    word.textContent = data.texts.label;
    input.placeholder = data.texts.hint;
    input.maxLength = data.limit;
    if (told !== null) return;
    input.value = stored();
    told = "";
    if (input.value) send();
  }

  function send() {
    const name = input.value.trim().replace(/\s+/g, " ");
    if (name === told) return;
    told = name;
    try {
      localStorage.setItem(STORED, name);
    } catch {} // a browser that keeps nothing asks again
    self.tell(name);
  }

  input.addEventListener("change", send);
  input.addEventListener("blur", send);
  input.addEventListener("keydown", (event) => {
    // Letters are keys of the page; here they are a name.
    event.stopPropagation();
    if (event.key === "Enter") input.blur();
  });
  return self;
}

function stored() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}
