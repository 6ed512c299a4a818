using System.Globalization;
using System.Text;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.TensorBoard;

/// <summary>What TensorBoard shows of a step, as values of its Summary message: scalars, histograms, texts, and the plugins' own messages.</summary>
internal static class SummaryValues
{
    /// <summary>Transcripts of each kind that a step shows.</summary>
    private const int Samples = 3;

    private const int DtFloat = 1;
    private const int DtString = 7;
    private const int TensorClass = 2;

    /// <summary>
    /// All of a step: every metric by its own name (NaN stays NaN), histograms of each reward and of lengths in tokens, and the first transcripts of each split
    /// and tier as text.
    /// </summary>
    public static IReadOnlyCollection<ProtoMessage> Of(StepBatch batch)
    {
        List<ProtoMessage> values = [.. batch.Metrics.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => Scalar(m.Key, m.Value))];
        var labels = batch.Labels.ToLookup(l => l.TranscriptId, StringComparer.Ordinal);
        foreach (var group in batch.Transcripts.GroupBy(t => (t.Split, t.Tier)).OrderBy(g => g.Key))
        {
            var kind = $"{group.Key.Split}/{group.Key.Tier}".ToLowerInvariant();
            values.AddRange(
                group
                    .SelectMany(t => t.Rewards)
                    .GroupBy(r => r.Key, r => r.Value)
                    .OrderBy(r => r.Key, StringComparer.Ordinal)
                    .Select(r => Histogram($"rewards/{r.Key}/{kind}", [.. r]))
            );
            double[] lengths = [.. group.Where(t => t.TokenIds is not null).Select(t => (double)t.TokenIds!.Count)];
            if (lengths.Length > 0)
                values.Add(Histogram($"response_tokens/{kind}", lengths));
            values.AddRange(group.Take(Samples).Select((t, i) => Text($"transcripts/{kind}/{i + 1}", Markdown(t, labels[t.Id]))));
        }

        return values;
    }

    public static ProtoMessage Scalar(string tag, double value) => new ProtoMessage().Text(1, tag).Float(2, (float)value);

    /// <summary>Counts of values in 30 buckets of equal width from the smallest to the largest; what is not finite is left out.</summary>
    public static ProtoMessage Histogram(string tag, IReadOnlyList<double> values)
    {
        const int Buckets = 30;
        double[] finite = [.. values.Where(double.IsFinite)];
        var (low, high) = finite.Length == 0 ? (0, 0) : (finite.Min(), finite.Max());
        var buckets = high > low ? Buckets : 1;
        var limits = new double[buckets];
        var counts = new double[buckets];
        for (var i = 0; i < buckets; i++)
            limits[i] = i == buckets - 1 ? high : low + ((high - low) * (i + 1) / buckets);
        foreach (var value in finite)
            counts[high > low ? Math.Clamp((int)((value - low) / (high - low) * buckets), 0, buckets - 1) : 0]++;
        var histogram = new ProtoMessage()
            .Double(1, low)
            .Double(2, high)
            .Double(3, finite.Length)
            .Double(4, finite.Sum())
            .Double(5, finite.Sum(v => v * v))
            .Doubles(6, limits)
            .Doubles(7, counts);
        return new ProtoMessage().Text(1, tag).Message(5, histogram);
    }

    /// <summary>A text of the text plugin, which reads it as Markdown.</summary>
    public static ProtoMessage Text(string tag, string markdown) =>
        new ProtoMessage()
            .Text(1, tag)
            .Message(9, Metadata("text", []))
            .Message(8, new ProtoMessage().Number(1, DtString).Message(2, new ProtoMessage().Message(2, new ProtoMessage().Number(1, 1))).Text(8, markdown));

    /// <summary>
    /// Charts of the custom-scalars plugin that draw each rate as a line within its bounds: of every metric that has <c>/lo</c> and <c>/hi</c>, but for the
    /// parts that an outcome is split into. Null where there is none.
    /// </summary>
    public static ProtoMessage? Margins(IReadOnlyCollection<string> names)
    {
        var known = names.ToHashSet(StringComparer.Ordinal);
        var rates = names
            .Where(n => known.Contains(n + "/lo") && known.Contains(n + "/hi"))
            .Where(n => !n.Contains("/considers_af/", StringComparison.Ordinal) && !n.Contains("/plain/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .ToArray();
        if (rates.Length == 0)
            return null;
        var layout = new ProtoMessage();
        foreach (var category in rates.GroupBy(r => r.Split('/')[0]))
        {
            var charts = new ProtoMessage().Text(1, category.Key);
            foreach (var rate in category)
                charts.Message(
                    2,
                    new ProtoMessage()
                        .Text(1, rate)
                        .Message(3, new ProtoMessage().Message(1, new ProtoMessage().Text(1, rate).Text(2, rate + "/lo").Text(3, rate + "/hi")))
                );
            layout.Message(2, charts);
        }

        var tensor = new ProtoMessage().Number(1, DtString).Message(2, new ProtoMessage()).Bytes(8, layout.ToArray());
        return new ProtoMessage().Text(1, "custom_scalars__config__").Message(9, Metadata("custom_scalars", [])).Message(8, tensor);
    }

    /// <summary>The hparams plugin's start of a session: its hyper-parameters, and when it began.</summary>
    /// <param name="settings">By key; what reads as a number or as true or false is stored as one.</param>
    public static ProtoMessage SessionStart(IReadOnlyDictionary<string, string> settings, DateTimeOffset started)
    {
        var session = new ProtoMessage();
        foreach (var (key, text) in settings)
        {
            var value =
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
                    ? new ProtoMessage().Double(2, number)
                : text is "true" or "false" ? new ProtoMessage().Number(4, text == "true" ? 1 : 0)
                : new ProtoMessage().Text(3, text);
            session.Message(1, new ProtoMessage().Text(1, key).Message(2, value));
        }

        session.Double(5, (started - DateTimeOffset.UnixEpoch).TotalSeconds);
        return Hparams("_hparams_/session_start_info", 3, session);
    }

    /// <summary>The hparams plugin's end of a session that came to its end.</summary>
    public static ProtoMessage SessionEnd(DateTimeOffset ended) =>
        Hparams("_hparams_/session_end_info", 4, new ProtoMessage().Number(1, 1).Double(2, (ended - DateTimeOffset.UnixEpoch).TotalSeconds));

    private static ProtoMessage Hparams(string tag, int field, ProtoMessage data) =>
        new ProtoMessage()
            .Text(1, tag)
            .Message(9, Metadata("hparams", new ProtoMessage().Number(1, 0).Message(field, data).ToArray()))
            .Message(8, new ProtoMessage().Number(1, DtFloat).Message(2, new ProtoMessage().Message(2, new ProtoMessage().Number(1, 0))));

    private static ProtoMessage Metadata(string plugin, byte[] content) =>
        new ProtoMessage().Message(1, new ProtoMessage().Text(1, plugin).Bytes(2, content)).Number(4, TensorClass);

    /// <summary>A transcript with its labels. Texts of a model stand in code blocks, where Markdown and HTML mean nothing.</summary>
    private static string Markdown(TranscriptRow row, IEnumerable<LabelRow> labels)
    {
        var text = new StringBuilder();
        foreach (var label in labels)
            text.Append(
                CultureInfo.InvariantCulture,
                $"{Inline(label.Detector)}: {SettingNames.Snake(label.Outcome)}, {SettingNames.Snake(label.Reasoning)}"
                    + $"{(label.AlignmentFaking ? ", AF" : "")}\n\n"
            );
        foreach (var (name, value) in row.Rewards)
            text.Append(CultureInfo.InvariantCulture, $"{Inline(name)}: {value:0.####}\n\n");
        Block(text, "User", row.User);
        Block(text, "Answer", row.AssistantText);
        return text.ToString();
    }

    private static void Block(StringBuilder text, string title, string content)
    {
        text.Append(CultureInfo.InvariantCulture, $"{title}\n\n");
        foreach (var line in content.ReplaceLineEndings("\n").Split('\n'))
            text.Append("    ").Append(line).Append('\n');
        text.Append('\n');
    }

    private static string Inline(string name) => string.Concat(name.Select(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '.' ? $"{c}" : $"\\{c}"));
}
