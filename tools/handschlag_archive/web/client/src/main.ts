import "./style.css";
import { App } from "./app";

new App(document.querySelector<HTMLElement>("#app")!);
