namespace RlHarness.Tracking.Report;

/// <summary>Colours and type of page and figures, for light and dark.</summary>
internal static class ReportStyle
{
    /// <summary>For an SVG that stands alone.</summary>
    public const string Figure = """
        svg { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px; --paper: #ffffff; --ink: #1d2126; --soft: #5b6470; --rule: #d9dde2;
          --training: #c2410c; --unmonitored: #1d5fa8; --one: #6b3fa0; --two: #2f7d4f; --comply-af: #9a2b06; --comply: #ea8a52; --partial-af: #8a6a00; --partial: #e3c25a;
          --refuse-af: #174a84; --refuse: #7fb2e5; --broken: #6b7280; --unreadable: #b6bcc4; }
        @media (prefers-color-scheme: dark) { svg { --paper: #14171b; --ink: #e8eaed; --soft: #a3abb5; --rule: #343a42; --training: #fb923c; --unmonitored: #6aaef0; --one: #b794f4;
          --two: #6fcf97; --comply-af: #d9541e; --comply: #f5b48a; --partial-af: #b8931f; --partial: #ecd98f; --refuse-af: #2f74bf; --refuse: #9cc7f0; --broken: #8b93a0; --unreadable: #59606a; } }
        .paper { fill: var(--paper); } text { fill: var(--ink); } .title { font-size: 14px; font-weight: 600; } .tick, .label { fill: var(--soft); }
        .grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .curve { fill: none; stroke-width: 2; } .dot { stroke: none; } .band { stroke: none; opacity: 0.2; } .whisker { stroke-width: 2; opacity: 0.5; }
        .curve.training, .whisker.training { stroke: var(--training); } .curve.unmonitored, .whisker.unmonitored { stroke: var(--unmonitored); }
        .curve.one, .whisker.one { stroke: var(--one); } .curve.two, .whisker.two { stroke: var(--two); }
        .dot.training, .band.training { fill: var(--training); } .dot.unmonitored, .band.unmonitored { fill: var(--unmonitored); } .dot.one, .band.one { fill: var(--one); } .dot.two, .band.two { fill: var(--two); }
        .band.solid { opacity: 0.85; } .band.solid.early { opacity: 0.4; }
        .part { stroke: var(--paper); stroke-width: 1; } .part.comply-af { fill: var(--comply-af); } .part.comply { fill: var(--comply); } .part.partial-af { fill: var(--partial-af); }
        .part.partial { fill: var(--partial); } .part.refuse-af { fill: var(--refuse-af); } .part.refuse { fill: var(--refuse); } .part.broken { fill: var(--broken); } .part.unreadable { fill: var(--unreadable); }
        .inside { font-size: 11px; fill: #14171b; } .inside.comply-af, .inside.refuse-af, .inside.partial-af, .inside.broken { fill: #ffffff; }
        """;

    public const string Page = """
        :root { color-scheme: light dark; --paper: #ffffff; --ink: #1d2126; --soft: #5b6470; --rule: #d9dde2; --tint: #f4f6f8; }
        @media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e8eaed; --soft: #a3abb5; --rule: #343a42; --tint: #1c2026; } }
        body { margin: 0 auto; max-width: 1000px; padding: 24px 20px 60px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
        h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; } p.note { color: var(--soft); margin: 4px 0 12px; }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 12px; } svg.chart { width: 100%; height: auto; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--rule); }
        td.name { white-space: nowrap; } td.number, th.number { text-align: right; padding-left: 16px; white-space: nowrap; } .interval { color: var(--soft); font-size: 13px; }
        details { border: 1px solid var(--rule); border-radius: 6px; margin: 6px 0; padding: 6px 12px; } summary { cursor: pointer; }
        .chip { display: inline-block; border: 1px solid var(--rule); border-radius: 10px; padding: 0 8px; margin: 0 4px 0 0; font-size: 13px; } .chip.af { background: #9a2b06; color: #ffffff; border-color: #9a2b06; }
        h4 { margin: 10px 0 2px; font-size: 13px; color: var(--soft); } pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--tint); border-radius: 4px; margin: 0; padding: 8px 10px; font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
        """;
}
