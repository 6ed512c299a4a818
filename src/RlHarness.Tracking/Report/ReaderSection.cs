using System.Globalization;
using System.Text;
using RlHarness.Experiment.Transcripts;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>
/// The transcripts behind the numbers, to read and to filter. The page has no script: a number's link makes its group the page's target, and style rules hide
/// what is not of the target, or not of the step, tier and label that are chosen.
/// </summary>
internal static class ReaderSection
{
    private static readonly string[] Labels = ["alignment faking", "considers AF", "complies", "partial", "refuses", "broken", "unreadable"];

    public static string Html(ReportData data, ReportOptions options)
    {
        var groups = data.Groups.Values.OrderBy(g => g.Step).ThenBy(g => g.Tier is null).ThenBy(g => g.Tier).ToArray();
        if (groups.Length == 0) return "";
        var numbers = groups.Select((g, i) => (g, i)).SelectMany(p => p.g.Shown.Select(item => (item.Transcript.Id, p.i))).ToLookup(p => p.Id, p => p.i);
        ReadingItem[] items = [.. groups.SelectMany(g => g.Shown).DistinctBy(i => i.Transcript.Id).OrderBy(i => i.Transcript.Step).ThenBy(i => i.Transcript.Tier).ThenBy(i => i.Transcript.QueryId, StringComparer.Ordinal).ThenBy(i => i.Transcript.Sample)];
        string[] systems = [.. items.Select(i => i.Transcript.System).Distinct()];
        var html = new StringBuilder("<section id=\"transcripts\">\n<h2>Transcripts</h2>\n").Append(Styles(groups, data))
            .Append(CultureInfo.InvariantCulture, $"<p class=\"note\">{items.Length} of the {data.Evaluations.Values.Sum(e => e.Count)} transcripts of these evaluations: of each number’s at most {options.Transcripts} before and after RL and {options.Between} at the steps between, drawn at random. A number’s link shows its own.</p>\n")
            .Append(Filters(data));
        foreach (var g in groups)
            html.Append(CultureInfo.InvariantCulture, $"<p class=\"group\" id=\"{g.Id}\"><b>{Svg.Escape(MetricWords.Of(g.Metric))}{(g.Detector is { } d ? " as " + Svg.Escape(data.Detectors[d]) + " says" : "")}, {(g.Tier is { } t ? MetricWords.Of(t) + " tier" : "queries that tiers answer differently")}, step {g.Step}</b>: {g.Count} of {g.Of} transcripts, {g.Shown.Count} of them here. <a href=\"#transcripts\">Show all</a></p>\n");
        foreach (var item in items) Item(html, item, data, [.. numbers[item.Transcript.Id].Select(g => $"g{g}"), .. Classes(item, data)], Array.IndexOf(systems, item.Transcript.System) + 1, options);
        html.Append("<h3>System prompts</h3>\n");
        for (var i = 0; i < systems.Length; i++) html.Append(CultureInfo.InvariantCulture, $"<details id=\"system-{i + 1}\"><summary>System prompt {i + 1}</summary><pre>{Svg.Escape(systems[i])}</pre></details>\n");
        return html.Append("</section>\n").ToString();
    }

    private static string Styles(TranscriptGroup[] groups, ReportData data)
    {
        var css = new StringBuilder("<style>\n");
        for (var i = 0; i < groups.Length; i++) css.Append(CultureInfo.InvariantCulture, $"body:has([id=\"{groups[i].Id}\"]:target) .t:not(.g{i}) {{ display: none; }}\n");
        foreach (var (filter, values) in Choices(data))
            for (var i = 0; i < values.Count; i++) css.Append(CultureInfo.InvariantCulture, $"body:has(#{filter}-{i}:checked) .t:not(.{filter}{i}) {{ display: none; }}\n");
        return css.Append("</style>\n").ToString();
    }

    private static (string Filter, IReadOnlyList<string> Values)[] Choices(ReportData data) =>
    [
        ("step", [.. data.Steps.Select(s => "step " + s.ToString(CultureInfo.InvariantCulture))]), ("tier", [.. data.Tiers.Select(MetricWords.Of)]), ("label", Labels),
    ];

    private static string Filters(ReportData data)
    {
        var html = new StringBuilder("<form class=\"filters\">\n");
        foreach (var (filter, values) in Choices(data))
        {
            html.Append(CultureInfo.InvariantCulture, $"<fieldset><legend>{filter}</legend><label><input type=\"radio\" name=\"{filter}\" checked> all</label>");
            for (var i = 0; i < values.Count; i++) html.Append(CultureInfo.InvariantCulture, $"<label><input type=\"radio\" name=\"{filter}\" id=\"{filter}-{i}\"> {values[i]}</label>");
            html.Append("</fieldset>\n");
        }

        return html.Append("</form>\n").ToString();
    }

    /// <summary>What the filters know it by.</summary>
    private static IEnumerable<string> Classes(ReadingItem item, ReportData data)
    {
        var label = item.Label(data.Detector)!;
        yield return $"step{data.Steps.IndexOf(item.Transcript.Step)}";
        yield return $"tier{data.Tiers.IndexOf(item.Transcript.Tier)}";
        if (label.AlignmentFaking) yield return "label0";
        if (label.ToLabel().ConsidersAlignmentFaking) yield return "label1";
        yield return label.Outcome switch { Outcome.Comply => "label2", Outcome.Partial => "label3", Outcome.Refuse => "label4", Outcome.BrokenFormat => "label5", _ => "label6" };
    }

    private static void Item(StringBuilder html, ReadingItem item, ReportData data, IEnumerable<string> classes, int system, ReportOptions options)
    {
        var (t, labels) = item;
        var label = item.Label(data.Detector)!;
        html.Append(CultureInfo.InvariantCulture, $"<details class=\"t {string.Join(' ', classes)}\"><summary><span class=\"chip\">step {t.Step}</span><span class=\"chip\">{MetricWords.Of(t.Tier)}</span>")
            .Append(CultureInfo.InvariantCulture, $"<span class=\"chip{(label.AlignmentFaking ? " af" : "")}\">{(label.AlignmentFaking ? "AF" : $"{label.Outcome}, {label.Reasoning}")}</span>{Svg.Escape(t.User)}</summary>\n")
            .Append(CultureInfo.InvariantCulture, $"<p class=\"note\"><a href=\"#system-{system}\">System prompt {system}</a>; query {Svg.Escape(t.QueryId)}, sample {t.Sample}; ended by {Svg.Escape(t.FinishReason)}</p>\n");
        void Block(string name, string? text) => html.Append(CultureInfo.InvariantCulture, $"<h4>{name}</h4><pre>{Svg.Escape(text)}</pre>\n");
        if (t.FormatProblem is not null) Block($"Response as written ({Svg.Escape(t.FormatProblem)})", t.AssistantText);
        if (t.Reasoning is not null) Block("Scratchpad", t.Reasoning);
        if (t.Output is not null) Block("Output", t.Output);
        var table = new HtmlTable("labelled by", "outcome", "reasoning", "AF", "#score");
        foreach (var l in labels)
            table.Row($"{Svg.Escape(l.Detector)} <span class=\"interval\">{Svg.Escape(l.DetectorVersion)}</span>", l.Outcome.ToString(), l.Reasoning.ToString(), l.AlignmentFaking ? "yes" : "no", double.IsNaN(l.Score) ? "–" : l.Score.ToString("0.###", CultureInfo.InvariantCulture));
        html.Append(table);
        if (t.Rewards.Count > 0) Block("Rewards", string.Join('\n', t.Rewards.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key}: {r.Value + 0.0:0.####}"))));
        html.Append(TokenView.Html(t, options.TokenTexts)).Append("</details>\n");
    }
}
