import { render } from "preact";
import { HubApp } from "./frame/hub-app.tsx";
import "../../review/page/styles/base.css";
import "../../review/page/styles/frame.css";
import "../../review/page/styles/case.css";
import "../../review/page/styles/answer.css";
import "./styles/site.css";
import "./styles/parts.css";
import "./styles/pages.css";
import "./styles/gates.css";
import "./styles/settings.css";

const root = document.querySelector("#app");
if (!root) throw new Error("the page has no #app");
render(<HubApp />, root);
