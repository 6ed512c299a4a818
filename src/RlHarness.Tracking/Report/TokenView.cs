using System.Globalization;
using System.Text;
using RlHarness.Experiment.Prompts;
using RlHarness.Statistics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>A response token by token; the darker the ground, the less likely the token was to the policy that wrote it.</summary>
internal static class TokenView
{
    // Grounds p1 to p6: below each limit (nats).
    private static readonly double[] Limits = [-0.1, -0.5, -1, -2, -4, -7];

    /// <param name="texts">Text of each token; null where no tokenizer is at hand, then tokens are their numbers.</param>
    public static string Html(TranscriptRow transcript, Func<IReadOnlyList<int>, IReadOnlyList<string>>? texts)
    {
        if (transcript.TokenIds is not { Count: > 0 } ids || transcript.TokenLogprobs is not { } logprobs || logprobs.Count != ids.Count)
            return "";
        var words = texts?.Invoke(ids) ?? [.. ids.Select(id => id.ToString(CultureInfo.InvariantCulture) + " ")];
        var html = new StringBuilder(
            string.Create(
                CultureInfo.InvariantCulture,
                $"<h4>Tokens by log-probability: {ids.Count} tokens, sum {logprobs.Sum(x => (double)x):0.0} nats</h4><pre class=\"tokens\">"
            )
        );
        for (var i = 0; i < ids.Count; i++)
            html.Append(
                CultureInfo.InvariantCulture,
                $"<i{(Ground(logprobs[i]) is var g and > 0 ? $" class=\"p{g}\"" : "")} title=\"{logprobs[i]:0.00}\">{Svg.Escape(words[i])}</i>"
            );
        return html.Append("</pre>\n").ToString();
    }

    /// <summary>0 for a likely token to 6.</summary>
    internal static int Ground(double logprob) => Limits.Count(limit => logprob < limit);
}

/// <summary>The median scratchpad over the steps, in words.</summary>
internal static class ScratchpadLength
{
    public const string Unit = "words, median";

    public static string Html(ReportData data)
    {
        Curve[] curves = [.. data.Tiers.Select(t => Curve(data, t, $"{MetricLabels.Of(t)} tier", MetricLabels.Css(t)))];
        return curves.All(c => c.Points.Count == 0) ? "" : new LineChart("Scratchpad length", Unit, curves, Percent: false).Picture();
    }

    public static Curve Curve(ReportData data, Tier tier, string name, string css) =>
        new(
            name,
            css,
            [
                .. data
                    .Steps.Select(step => (step, Words: Words(data.Evaluations[step], tier)))
                    .Where(s => s.Words.Count > 0)
                    .Select(s => ReportData.Point(s.step, MedianInterval.Of(s.Words))),
            ]
        );

    /// <summary>Words of each scratchpad of a tier.</summary>
    internal static IReadOnlyCollection<double> Words(IEnumerable<TranscriptView> items, Tier tier) =>
        [
            .. items
                .Where(i => i.Transcript.Tier == tier && i.Transcript.Reasoning is not null)
                .Select(i => (double)i.Transcript.Reasoning!.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length),
        ];
}
