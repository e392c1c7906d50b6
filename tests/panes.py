"""Opens the groups of cards on a page of TensorBoard."""

OPEN_ALL = """
(function walk(node) {
  if (node._togglePane && !node.opened) node._togglePane();
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of [...node.childNodes]) walk(child);
})(document.body);
"""
"""TensorBoard opens only the first group of cards by itself."""
