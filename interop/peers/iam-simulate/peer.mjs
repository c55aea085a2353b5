// iam-simulate as a peer: cases as JSON lines on standard input, its decisions on standard output.
// Its checks of the input drop condition keys that the action does not know, so cases are asked without them, except
// where resource, session and resource control policies take part: those are read in the checked way only.
import { createInterface } from "node:readline";
import { runSimulation, runUnsafeSimulation } from "@cloud-copilot/iam-simulate";

const WORDS = { Allowed: "allow", ExplicitlyDenied: "explicit_deny", ImplicitlyDenied: "implicit_deny" };
const named = (documents) => (documents ?? []).map((policy, index) => ({ name: `policy ${index}`, policy }));
const levels = (groups) => (groups ?? []).map((group, index) => ({ orgIdentifier: `ou-${index}`, policies: named(group) }));

async function decide(one) {
  const simulation = {
    request: {
      principal: one.principal, action: one.action, contextVariables: one.context ?? {},
      resource: { resource: one.resource, accountId: one.resource_account ?? one.principal.split(":")[4] },
    },
    identityPolicies: named(one.identity),
    sessionPolicy: one.session?.[0],
    permissionBoundaryPolicies: one.boundary && named(one.boundary),
    serviceControlPolicies: levels(one.service_control),
    resourceControlPolicies: one.resource_control ? levels([one.resource_control]) : [],
    resourcePolicy: one.resource_policies?.[0] ?? one.trust?.[0],
  };
  if (!one.session && !one.resource_control && !simulation.resourcePolicy) return WORDS[runUnsafeSimulation(simulation, {})];
  const answer = await runSimulation(simulation, {});
  return answer.resultType === "error" ? `error: ${JSON.stringify(answer.errors)}` : WORDS[answer.overallResult];
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(await decide(JSON.parse(line)));
  } catch (error) {
    console.log(`error: ${String(error).replaceAll("\n", " ")}`);
  }
}
