import { render } from "preact";
import { App } from "./app.tsx";
import { rememberedName, startShell } from "./shell.web.ts";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/case.css";
import "./styles/answer.css";

const root = document.querySelector("#app");
if (!root) throw new Error("the page has no #app");
const name = rememberedName();
startShell((state, dispatch) => render(<App state={state} dispatch={dispatch} rememberedName={name} />, root));
