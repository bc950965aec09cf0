// The ledger's choice of verdicts; without it all rows are shown.
(() => {
  const choice = document.querySelector(".ledger-choice");
  const rows = [...document.querySelectorAll("tr[data-verdict]")];

  const show = () => {
    const chosen = new Set([...choice.querySelectorAll(":checked")].map((box) => box.value));
    for (const row of rows) row.hidden = !chosen.has(row.dataset.verdict);
    for (const table of document.querySelectorAll("table.ledger")) {
      const left = [...table.tBodies[0].rows].some((row) => !row.hidden);
      table.closest("section").hidden = !left;
    }
  };

  choice.hidden = false;
  choice.addEventListener("change", show);
})();
