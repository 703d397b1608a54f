import { movieXchange } from "./moviexchange.ts";

const mx = movieXchange("moviexchange/staging/tokens/_Website", ["staging-api.moviexchange.com"]);
const chains = await mx.fetch("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains");
console.log(await chains.text());
