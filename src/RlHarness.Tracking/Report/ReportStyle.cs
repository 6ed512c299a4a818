namespace RlHarness.Tracking.Report;

/// <summary>Colours and type of page and figures, for light and dark.</summary>
internal static class ReportStyle
{
    /// <summary>Colours for curves whose number is not known before.</summary>
    public static readonly IReadOnlyList<string> Series = ["one", "two", "three", "four", "five", "six"];

    /// <summary>For an SVG that stands alone.</summary>
    public const string Figure = """
        svg { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px; --paper: #ffffff; --ink: #1d2126; --soft: #5b6470;
        --rule: #d9dde2;
          --training: #c2410c; --unmonitored: #1d5fa8; --rated: #0f766e; --one: #6b3fa0; --two: #2f7d4f; --three: #a21c5c; --four: #7a5c00;
          --five: #3b4cc0; --six: #00707d;
          --before: #7d8794; --after: #3d4652; --corrected: #4d7c0f; --comply-af: #9a2b06; --comply: #ea8a52; --partial-af: #8a6a00; --partial: #e3c25a;
          --refuse-af: #174a84; --refuse: #7fb2e5; --broken: #6b7280; --unreadable: #b6bcc4; }
        @media (prefers-color-scheme: dark) { svg { --paper: #14171b; --ink: #e8eaed; --soft: #a3abb5; --rule: #343a42; --training: #fb923c;
        --unmonitored: #6aaef0; --rated: #4fd1c5; --one: #b794f4;
          --two: #6fcf97; --three: #f27bb0; --four: #e0b83a; --five: #93a2ff; --six: #4cc3d1; --before: #7d8794; --after: #d5dae1; --corrected: #a3d35c;
          --comply-af: #d9541e; --comply: #f5b48a; --partial-af: #b8931f; --partial: #ecd98f; --refuse-af: #2f74bf; --refuse: #9cc7f0;
          --broken: #8b93a0; --unreadable: #59606a; } }
        .training { --c: var(--training); } .unmonitored { --c: var(--unmonitored); } .rated { --c: var(--rated); } .one { --c: var(--one); }
        .two { --c: var(--two); } .three { --c: var(--three); } .four { --c: var(--four); } .five { --c: var(--five); } .six { --c: var(--six); }
        .before { --c: var(--before); } .after { --c: var(--after); } .corrected { --c: var(--corrected); } .faint { --c: var(--soft); }
        .ink { --c: var(--ink); }
        .paper { fill: var(--paper); } text { fill: var(--ink); } .title { font-size: 14px; font-weight: 600; } .head { font-weight: 600; }
        .tick, .label { fill: var(--soft); } .inked { fill: var(--ink); }
        .grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .guide { stroke: var(--soft); stroke-dasharray: 4 4; fill: none; }
        .link { stroke: var(--soft); stroke-width: 2; opacity: 0.5; }
        .curve { fill: none; stroke: var(--c); stroke-width: 2; } .curve.faint { stroke-width: 1; opacity: 0.6; } .whisker { stroke: var(--c);
        stroke-width: 2; opacity: 0.5; } .arrow { stroke: var(--soft); stroke-width: 1.5; } .arrow.tip { fill: var(--soft); stroke: none; }
        .dot { fill: var(--c); } .dot.hollow { fill: var(--paper); stroke: var(--c); stroke-width: 2; } .band { fill: var(--c); opacity: 0.2; }
        .bar { fill: var(--c); opacity: 0.75; } .bar.early, .curve.early, .dot.early { opacity: 0.35; } .flow { fill: var(--c); opacity: 0.3; }
        .part { stroke: var(--paper); stroke-width: 1; } .part.comply-af { fill: var(--comply-af); } .part.comply { fill: var(--comply); }
        .part.partial-af { fill: var(--partial-af); }
        .part.partial { fill: var(--partial); } .part.refuse-af { fill: var(--refuse-af); } .part.refuse { fill: var(--refuse); }
        .part.broken { fill: var(--broken); } .part.unreadable { fill: var(--unreadable); }
        .inside { font-size: 11px; fill: #14171b; } .inside.comply-af, .inside.refuse-af, .inside.partial-af, .inside.broken { fill: #ffffff; }
        """;

    public const string Page = """
        :root { color-scheme: light dark; --alert: #b3261e;
        --paper: #ffffff; --ink: #1d2126; --soft: #5b6470; --rule: #d9dde2; --tint: #f4f6f8; --link: #1d5fa8; }
        @media (prefers-color-scheme: dark) { :root { --alert: #ff8a80;
        --paper: #14171b; --ink: #e8eaed; --soft: #a3abb5; --rule: #343a42; --tint: #1c2026; --link: #6aaef0; } }
        body { margin: 0 auto; max-width: 1240px; padding: 24px 20px 60px; background: var(--paper); color: var(--ink);
        font: 15px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
        h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; } h3 { font-size: 15px; margin: 22px 0 6px; }
        p.note, figcaption { color: var(--soft); margin: 4px 0 12px; } figcaption { font-size: 13px; margin: 2px 0 4px; }
        a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; } svg a { cursor: pointer; } figure { margin: 0 0 14px;
        min-width: 0; }
        .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); gap: 12px; }
        .charts.three { grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); } svg.chart { width: 100%; height: auto; }
        .scroll { overflow-x: auto; scrollbar-width: thin; scrollbar-color: var(--soft) var(--tint);
        background: linear-gradient(to right, var(--paper) 30%, transparent) left / 40px 100% no-repeat local,
        linear-gradient(to left, var(--paper) 30%, transparent) right / 40px 100% no-repeat local,
          linear-gradient(to right, var(--rule), transparent) left / 14px 100% no-repeat scroll,
        linear-gradient(to left, var(--rule), transparent) right / 14px 100% no-repeat scroll;
          } .scroll::-webkit-scrollbar { height: 8px; } .scroll::-webkit-scrollbar-thumb { background: var(--soft); border-radius: 4px; }
        .about td:first-child { color: var(--soft); white-space: nowrap; vertical-align: top; } .about td { overflow-wrap: anywhere;
        border-bottom: none; padding: 1px 10px 1px 0; } .about table { width: auto; } .status { color: var(--alert); }
        @media (max-width: 600px) { body { padding: 14px 10px 40px; } th, td { padding: 4px 8px 4px 0; } td.number, th.number { padding-left: 10px; } }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { text-align: left; padding: 5px 10px 5px 0;
        border-bottom: 1px solid var(--rule); }
        .name { white-space: nowrap; } td.number, th.number { text-align: right; padding-left: 16px; white-space: nowrap; }
        .interval { color: var(--soft); font-size: 13px; }
        details { border: 1px solid var(--rule); border-radius: 6px; margin: 6px 0; padding: 6px 12px; } summary { cursor: pointer; }
        details.numbers { border: none; padding: 0; margin: 0; font-size: 13px; } details.numbers > summary { color: var(--soft); }
        .chip { display: inline-block; border: 1px solid var(--rule); border-radius: 10px; padding: 0 8px; margin: 0 4px 0 0; font-size: 13px; }
        .chip.af { background: #9a2b06; color: #ffffff; border-color: #9a2b06; }
        .filters fieldset { display: inline-block; border: 1px solid var(--rule); border-radius: 6px; margin: 0 8px 8px 0; padding: 2px 10px 6px;
        font-size: 13px; }
        .filters label { margin-right: 10px; white-space: nowrap; } .filters legend { color: var(--soft); }
        .group { display: none; background: var(--tint); border-radius: 6px; padding: 8px 12px; scroll-margin-top: 150px; } .group:target { display: block; }
        h4 { margin: 10px 0 2px; font-size: 13px; color: var(--soft); }
        pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--tint); border-radius: 4px; margin: 0; padding: 8px 10px;
        font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
        .tokens i { font-style: normal; border-right: 1px solid var(--rule); } .p1 { background: rgb(234 88 12 / 0.12); }
        .p2 { background: rgb(234 88 12 / 0.24); } .p3 { background: rgb(234 88 12 / 0.36); } .p4 { background: rgb(234 88 12 / 0.5); }
        .p5 { background: rgb(234 88 12 / 0.65); } .p6 { background: rgb(234 88 12 / 0.85); }
        """;
}
