// Print what Microsoft's analyser says of Kusto queries.
//
//   node analyse.cjs NODE_MODULES < {"tables": {NAME: "(COLUMN:TYPE, ...)"}, "queries": {NAME: QUERY}}
//
// The answer is {NAME: ["CODE at OFFSET: MESSAGE"]}; a query without a diagnostic has an empty list.
const fs = require("fs");
const path = require("path");
const vm = require("vm");

// The package is C#, compiled for browsers, and has no modules: its files share one context.
function loadLanguage(modules) {
  const context = vm.createContext({ console });
  for (const name of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
    const file = path.join(modules, "@kusto", "language-service-next", name);
    vm.runInContext(fs.readFileSync(file, "utf8"), context, { filename: name });
  }
  return context.Kusto.Language;
}

// Overloads of C# constructors have numbers: $ctor7 of a table takes its name and its columns as text.
function declareTables(language, tables) {
  const { TableSymbol, DatabaseSymbol } = language.Symbols;
  const symbols = Object.entries(tables).map(
    ([name, columns]) => new TableSymbol.$ctor7(name, columns, null)
  );
  return language.GlobalState.Default.WithDatabase(new DatabaseSymbol.ctor("logs", symbols));
}

function analyse(language, globals, query) {
  const found = language.KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  return Array.from({ length: found.Count }, (_, index) => {
    const { Code, Start, Message } = found.getItem(index);
    return `${Code} at ${Start}: ${Message}`;
  });
}

const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const language = loadLanguage(process.argv[2]);
const globals = declareTables(language, tables);
const found = Object.entries(queries).map(([name, query]) => [name, analyse(language, globals, query)]);
console.log(JSON.stringify(Object.fromEntries(found)));
