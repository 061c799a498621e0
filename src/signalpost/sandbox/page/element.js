/** An element with a class and children; a child that is text becomes a text node. */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A picture drawn as one line, with a title for screen readers. */
export function icon(className, path, text) {
  const create = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const [svg, line, title] = ["svg", "path", "title"].map(create);
  title.textContent = text;
  for (const [name, value] of Object.entries({ d: path, fill: "none", stroke: "currentColor", "stroke-width": "2" })) {
    line.setAttribute(name, value);
  }
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", className);
  svg.setAttribute("role", "img");
  svg.append(title, line);
  return svg;
}
