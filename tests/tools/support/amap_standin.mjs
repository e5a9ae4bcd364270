// Stands in for the network of @amap/amap-maps-mcp-server: node --import amap_standin.mjs .../build/index.js
// Its node-fetch is replaced by answers made up here, in the shape that Amap's web service documents.
import { register } from "node:module";

const hook = `export async function resolve(name, context, next) {
  return name === "node-fetch" ? { url: ${JSON.stringify(import.meta.url)}, shortCircuit: true } : next(name, context);
}`;
register("data:text/javascript," + encodeURIComponent(hook));

const step = { instruction: "walk", road: "Road", distance: "10", orientation: "north", duration: "8", action: "turn left", assistant_action: "" };
const path = { distance: "10", duration: "8", steps: [step] };
const poi = {
  id: "B1", name: "Cafe", location: "1,2", address: "Road 1", business_area: "Centre", cityname: "City", type: "cafe", typecode: "050500", alias: "",
  biz_ext: { rating: "4.5", cost: "30.00" },
};
const ends = { origin: "1,2", destination: "3,4" };
const walking = { ...ends, distance: "10", duration: "8", steps: [step] };
const line = { name: "Line 1", departure_stop: { name: "A" }, arrival_stop: { name: "C" }, distance: "900", duration: "120", via_stops: [{ name: "B" }] };
const segment = { walking, bus: { buslines: [line] }, entrance: {}, exit: {}, railway: {} };
const cast = {
  date: "2026-01-01", week: "4", dayweather: "sunny", nightweather: "sunny", daytemp: "9", nighttemp: "3", daywind: "north", nightwind: "north",
  daypower: "1-3", nightpower: "1-3", daytemp_float: "9.0", nighttemp_float: "3.0",
};
const answers = {
  "/v3/geocode/regeo": { regeocode: { addressComponent: { province: "P", city: "C", district: "D" } } },
  "/v3/geocode/geo": { geocodes: [{ country: "X", province: "P", city: "C", citycode: "1", district: "D", street: "S", number: "1", adcode: "1", location: "1,2", level: "poi" }] },
  "/v3/ip": { province: "P", city: "C", adcode: "1", rectangle: "1,2;3,4" },
  "/v3/weather/weatherInfo": { forecasts: [{ city: "C", casts: [cast] }] },
  "/v3/place/detail": { pois: [poi] },
  "/v3/place/text": { suggestion: { keywords: [], ciytes: [] }, pois: [poi] },
  "/v3/place/around": { pois: [poi] },
  "/v3/distance": { results: [{ origin_id: "1", dest_id: "1", distance: "10", duration: "8" }] },
  "/v3/direction/walking": { route: { ...ends, paths: [path] } },
  "/v3/direction/driving": { route: { ...ends, paths: [path] } },
  "/v3/direction/transit/integrated": { route: { ...ends, distance: "10", transits: [{ duration: "9", walking_distance: "5", segments: [segment] }] } },
  "/v4/direction/bicycling": { errcode: 0, data: { ...ends, paths: [{ ...path, distance: 10, duration: 8, steps: [{ ...step, distance: 10, duration: 8 }] }] } },
};

export default async function fetch(url) {
  const answer = answers[new URL(url).pathname];
  return { json: async () => (answer ? { status: "1", ...answer } : { status: "0", info: "no answer recorded for " + url }) };
}
