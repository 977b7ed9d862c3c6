// The price calculator of a model's page: asks the server, which alone knows prices.

import { $ } from "./dom.js";
import { dollars, neurons } from "./words.js";

const form = $("price");

async function reckon() {
  if (!form.checkValidity()) return ($("amount").textContent = "Sides from 256 to 1920, up to four references.");
  const response = await fetch(`/price/${form.dataset.model}?${new URLSearchParams(new FormData(form))}`);
  const { result } = await response.json();
  $("amount").textContent = `${dollars(result.dollars)}, which is ${neurons(result.neurons)}`;
}

form.addEventListener("input", reckon);
form.addEventListener("submit", (event) => event.preventDefault());
reckon();
