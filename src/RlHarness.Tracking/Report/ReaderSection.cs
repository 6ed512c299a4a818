using System.Globalization;
using System.Text;
using RlHarness.Experiment.Evaluation;
using RlHarness.Experiment.Scenarios;
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
    private static readonly string[] ScenarioLabels = ["decides against the lab", "attempts it"];
    private static readonly string[] Asked = ["evaluation queries", "anti-lab scenarios", "stated preferences"];

    public static string Html(ReportData data, ReportOptions options)
    {
        var groups = data.Groups.Values.OrderBy(g => g.Stage is null).ThenBy(g => g.Step).ThenBy(g => g.Tier is null).ThenBy(g => g.Tier).ToArray();
        if (groups.Length == 0)
            return "";
        var numbers = groups.Select((g, i) => (g, i)).SelectMany(p => p.g.Shown.Select(item => (item.Transcript.Id, p.i))).ToLookup(p => p.Id, p => p.i);
        TranscriptView[] items =
        [
            .. groups
                .SelectMany(g => g.Shown)
                .DistinctBy(i => i.Transcript.Id)
                .OrderBy(i => !OfDocuments(i))
                .ThenBy(i => i.Transcript.Step)
                .ThenBy(i => i.Transcript.Split)
                .ThenBy(i => i.Transcript.Tier)
                .ThenBy(i => i.Transcript.QueryId, StringComparer.Ordinal)
                .ThenBy(i => i.Transcript.Sample),
        ];
        string[] systems = [.. items.Where(i => i.Scenario is null).Select(i => i.Transcript.System).Distinct()];
        var html = new StringBuilder("<section id=\"transcripts\">\n<h2>Transcripts</h2>\n")
            .Append(Styles(groups, data))
            .Append(
                CultureInfo.InvariantCulture,
                $"<p class=\"note\">{items.Length} of the "
                    + $"{data.Evaluations.Values.Concat(data.Answers.Values).Concat(data.Documents.Evaluations.Values).Sum(e => e.Count)} "
                    + $"transcripts of these evaluations: of each number’s at most {options.Transcripts} before and after RL and {options.Between} "
                    + $"at the steps "
                    + $"between{(data.Answers.Count > 0 ? $", of a scenario’s number {options.Between}" : "")}"
                    + $"{(data.Documents.Steps.Length > 0 ? $", while it reads documents {options.Between}" : "")}, "
                    + $"drawn at random. A number’s link shows its own.</p>\n"
            )
            .Append(Filters(data));
        foreach (var g in groups)
            html.Append(
                CultureInfo.InvariantCulture,
                $"<p class=\"group\" id=\"{g.Id}\">"
                    + $"<b>{Svg.Escape(MetricLabels.Of(g.Metric))}{(g.Detector is { } d ? " as " + Svg.Escape(data.Detectors[d]) + " says" : "")}, "
                    + $"{(g.Tier is { } t ? MetricLabels.Of(t) + " tier" : "queries that tiers answer differently")}, "
                    + $"{(g.Stage is null ? "" : g.Stage + ", ")}step {g.Step}</b>: {g.Count} of {g.Of} transcripts, {g.Shown.Count} of them here. "
                    + $"<a href=\"#transcripts\">Show all</a></p>\n"
            );
        foreach (var item in items)
            Item(
                html,
                item,
                data,
                [.. numbers[item.Transcript.Id].Select(g => $"g{g}"), .. Classes(item, data)],
                Array.IndexOf(systems, item.Transcript.System) + 1,
                options
            );
        html.Append("<h3>System prompts</h3>\n");
        for (var i = 0; i < systems.Length; i++)
            html.Append(
                CultureInfo.InvariantCulture,
                $"<details id=\"system-{i + 1}\"><summary>System prompt {i + 1}</summary><pre>{Svg.Escape(systems[i])}</pre></details>\n"
            );
        return html.Append("</section>\n").ToString();
    }

    private static string Styles(TranscriptGroup[] groups, ReportData data)
    {
        var css = new StringBuilder("<style>\n");
        for (var i = 0; i < groups.Length; i++)
            css.Append(CultureInfo.InvariantCulture, $"body:has([id=\"{groups[i].Id}\"]:target) .t:not(.g{i}) {{ display: none; }}\n");
        foreach (var (filter, values) in Choices(data))
            for (var i = 0; i < values.Count; i++)
                css.Append(CultureInfo.InvariantCulture, $"body:has(#{filter}-{i}:checked) .t:not(.{filter}{i}) {{ display: none; }}\n");
        return css.Append("</style>\n").ToString();
    }

    private static (string Filter, IReadOnlyList<string> Values)[] Choices(ReportData data) =>
        [
            (
                "step",
                [
                    .. data.Steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"step {s}")),
                    .. data.Documents.Steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"{DocumentTimeline.Stage}, step {s}")),
                ]
            ),
            ("tier", [.. data.Tiers.Select(MetricLabels.Of)]),
            ("label", data.Answers.Count > 0 ? [.. Labels, .. ScenarioLabels] : Labels),
            .. data.Answers.Count > 0 ? [("asked", Asked)] : Array.Empty<(string, IReadOnlyList<string>)>(),
        ];

    private static string Filters(ReportData data)
    {
        var html = new StringBuilder("<form class=\"filters\">\n");
        foreach (var (filter, values) in Choices(data))
        {
            html.Append(
                CultureInfo.InvariantCulture,
                $"<fieldset><legend>{filter}</legend><label><input type=\"radio\" name=\"{filter}\" checked> all</label>"
            );
            for (var i = 0; i < values.Count; i++)
                html.Append(CultureInfo.InvariantCulture, $"<label><input type=\"radio\" name=\"{filter}\" id=\"{filter}-{i}\"> {values[i]}</label>");
            html.Append("</fieldset>\n");
        }

        return html.Append("</form>\n").ToString();
    }

    /// <summary>What the filters know it by.</summary>
    private static IEnumerable<string> Classes(TranscriptView item, ReportData data)
    {
        var step = item.Transcript.Step;
        yield return $"step{(OfDocuments(item) ? data.Steps.Length + data.Documents.Steps.IndexOf(step) : data.Steps.IndexOf(step))}";
        yield return $"tier{data.Tiers.IndexOf(item.Transcript.Tier)}";
        if (item.Scenario is { } asked)
        {
            yield return asked.Group == ScenarioGroup.AntiLab ? "asked1" : "asked2";
            if (asked.Label.IsDecision)
                yield return "label7";
            if (asked.Label.IsAttempt)
                yield return "label8";
            if (asked.Label.IsUnreadable)
                yield return asked.Label.Output == ScenarioLabel.Broken ? "label5" : "label6";
            yield break;
        }

        yield return "asked0";
        var label = item.Label(data.Detector)!;
        if (label.AlignmentFaking)
            yield return "label0";
        if (label.ToLabel().ConsidersAlignmentFaking)
            yield return "label1";
        yield return label.Outcome switch
        {
            Outcome.Comply => "label2",
            Outcome.Partial => "label3",
            Outcome.Refuse => "label4",
            Outcome.BrokenFormat => "label5",
            _ => "label6",
        };
    }

    private static void Item(StringBuilder html, TranscriptView item, ReportData data, IEnumerable<string> classes, int system, ReportOptions options)
    {
        var t = item.Transcript;
        html.Append(
                CultureInfo.InvariantCulture,
                $"<details class=\"t {string.Join(' ', classes)}\"><summary><span "
                    + $"class=\"chip\">{(OfDocuments(item) ? DocumentTimeline.Stage + ", " : "")}step {t.Step}</span><span "
                    + $"class=\"chip\">{MetricLabels.Of(t.Tier)}</span>"
            )
            .Append(Chips(item, data))
            .Append(CultureInfo.InvariantCulture, $"{Svg.Escape(t.User)}</summary>\n")
            .Append(
                CultureInfo.InvariantCulture,
                $"<p class=\"note\">{(system > 0 ? $"<a href=\"#system-{system}\">System prompt {system}</a>; " : "")}query "
                    + $"{Svg.Escape(t.QueryId)}, sample {t.Sample}; ended by {Svg.Escape(t.FinishReason)}</p>\n"
            );
        void Block(string name, string? text) => html.Append(CultureInfo.InvariantCulture, $"<h4>{name}</h4><pre>{Svg.Escape(text)}</pre>\n");
        if (system == 0)
            Block("System prompt", t.System); // a scenario's own, which tells of the opportunity
        if (t.FormatProblem is not null)
            Block($"Response as written ({Svg.Escape(t.FormatProblem)})", t.AssistantText);
        if (t.Reasoning is not null)
            Block("Scratchpad", t.Reasoning);
        if (t.Output is not null)
            Block("Output", t.Output);
        html.Append(Table(item));
        if (t.Rewards.Count > 0)
            Block("Rewards", string.Join('\n', t.Rewards.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key}: {r.Value + 0.0:0.####}"))));
        html.Append(TokenView.Html(t, options.TokenTexts)).Append("</details>\n");
    }

    private static bool OfDocuments(TranscriptView item) => item.Transcript.Stage == DocumentTimeline.Stage;

    private static string Chips(TranscriptView item, ReportData data)
    {
        static string Chip(string text, bool marked) => $"<span class=\"chip{(marked ? " af" : "")}\">{Svg.Escape(text)}</span>";
        if (item.Scenario is { Label: var said } asked)
            return Chip($"{asked.Scenario}, {asked.Variant}", marked: false)
                + Chip(said.Reasoning is { } thought && thought != said.Output ? $"{thought}, {said.Output}" : said.Output, said.IsDecision || said.IsAttempt);
        var label = item.Label(data.Detector)!;
        return Chip(
            label.AlignmentFaking ? "alignment faking" : $"{MetricLabels.Of(label.Outcome)}, {MetricLabels.Of(label.Reasoning)}",
            label.AlignmentFaking
        );
    }

    private static HtmlTable Table(TranscriptView item)
    {
        static string By(string detector, string version) => $"{Svg.Escape(detector)} <span class=\"interval\">{Svg.Escape(version)}</span>";
        if (item.Scenario is { } s)
            return new HtmlTable("labelled by", "reasoning", "output").Row(
                By(s.Detector, s.DetectorVersion),
                Svg.Escape(s.Label.Reasoning ?? "–"),
                Svg.Escape(s.Label.Output)
            );
        var table = new HtmlTable("labelled by", "outcome", "reasoning", "AF", "#score");
        foreach (var l in item.Labels)
            table.Row(
                By(l.Detector, l.DetectorVersion),
                MetricLabels.Of(l.Outcome),
                MetricLabels.Of(l.Reasoning),
                l.ToLabel().FakesAlignment switch
                {
                    true => "yes",
                    false => "no",
                    null => "no verdict",
                },
                double.IsNaN(l.Score) ? "–" : l.Score.ToString("0.###", CultureInfo.InvariantCulture)
            );
        return table;
    }
}

/// <summary>One transcript with all its labels.</summary>
internal sealed record TranscriptView(TranscriptRow Transcript, IReadOnlyList<LabelRow> Labels)
{
    /// <summary>What a scenario's detector says of it; null for a transcript of the paired evaluation.</summary>
    public ScenarioLabelRow? Scenario { get; init; }

    /// <summary>What the newest version of a detector says of it.</summary>
    public LabelRow? Label(string detector) => Labels.LastOrDefault(l => l.Detector == detector);

    /// <summary>The transcript as the statistics count it; null without a label.</summary>
    public LabelledTranscript? Labelled(string detector) => Label(detector) is { } label ? new(Transcript.QueryId, Transcript.Tier, label.ToLabel()) : null;
}
