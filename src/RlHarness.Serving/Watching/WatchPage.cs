using System.Reflection;
using RlHarness.Tracking.Report;

namespace RlHarness.Serving.Watching;

/// <summary>The page's frame; what it shows comes by its script, and every text of a model is set as text.</summary>
internal static class WatchPage
{
    public static string Script { get; } = Resource("watch.js");

    public static string Style { get; } = Resource("watch.css");

    /// <param name="name">What the run is called.</param>
    /// <param name="key">What requests name it by; empty where it is the only one.</param>
    public static string Run(string name, string key) =>
        Page(
            name,
            $"""
            <main id="run" data-run="{PlainPage.Escape(key)}">
            {(key.Length > 0 ? "<p><a href=\"/\">all runs</a></p>" : "")}
            <h1>{PlainPage.Escape(name)}</h1>
            <p class="note" id="stage" aria-live="polite">waiting for the run</p>
            <progress id="progress" max="1" value="0" hidden></progress>
            <p class="status" id="trouble" hidden></p>
            <section id="alarms" hidden><h2>Numbers that went wrong</h2><ul class="status"></ul></section>
            <details id="warnings" hidden><summary>warnings</summary><ul></ul></details>
            <div id="rates" class="tiles"></div>
            <div id="pictures"></div>
            <h2>Newest transcripts</h2>
            <form id="filter" class="filters">
            <label>from <select name="split"><option value="">anywhere</option><option value="evaluation">evaluations</option>
            <option value="train">rollouts</option><option value="scenario">scenarios</option></select></label>
            <label>tier <select name="tier"><option value="">any</option><option>training</option><option>unmonitored</option>
            <option>rated</option></select></label>
            <label>detector <select name="detector"><option value="">any</option></select></label>
            <label>outcome <select name="outcome"><option value="">any</option><option>comply</option><option>refuse</option><option>partial</option>
            <option value="broken_format">broken format</option><option>unparsable</option></select></label>
            <label>label <select name="af"><option value="">any</option><option value="1">alignment faking</option>
            <option value="0">not faking</option></select></label>
            <label>text <input name="text" type="search" placeholder="in request or answer"></label>
            </form>
            <p class="note" id="found" aria-live="polite"></p>
            <div id="transcripts"></div>
            <p><button id="older" type="button" hidden>older</button></p>
            </main>
            """
        );

    public static string Folder(string name) =>
        Page(
            name,
            $"""
            <main id="folder">
            <h1>{PlainPage.Escape(name)}</h1>
            <div class="scroll"><table><thead><tr><th>run</th><th class="number">seed</th><th>stage</th><th class="number">step</th><th class="number">left</th>
            <th class="number">AF, training</th><th class="number">AF, unmonitored</th><th class="number">comply, training</th>
            <th class="number">comply, unmonitored</th><th class="number">alarms</th></tr></thead><tbody id="runs"></tbody></table></div>
            </main>
            """
        );

    private static string Page(string title, string body) =>
        $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{PlainPage.Escape(title)}: watching</title>
            <link rel="stylesheet" href="/watch.css">
            <script src="/watch.js" defer></script>
            </head>
            <body>
            {body}
            <noscript>This page needs its own script, which the same address serves.</noscript>
            </body>
            </html>
            """;

    private static string Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
