// a click on a heading sorts the table by that column: numbers by size, the largest first, words by the alphabet
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const text = row.cells[column].textContent.replace(/,/g, "");
    return text === "" || text === "\u2013" ? -Infinity : isNaN(text) ? text : Number(text);
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent || "#";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numbers = [...body.rows].every((row) => typeof value(row, column) === "number");
      const first = numbers && column ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const way = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", way);
      const sign = way === "ascending" ? 1 : -1;
      const order = (a, b) => (numbers ? value(a, column) - value(b, column) : String(value(a, column)).localeCompare(String(value(b, column))));
      body.append(...[...body.rows].sort((a, b) => sign * order(a, b) || 0));
    });
  });
}
