using System.Globalization;
using System.Text;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Report;

/// <summary>A transcript that opens on a click: prompt, scratchpad, output, and what is known of it.</summary>
internal static class TranscriptDetails
{
    /// <param name="chip">What it was found to be, as HTML; empty: nothing.</param>
    /// <param name="labels">One a line, as plain text.</param>
    public static string Html(TranscriptRow t, string chip, IReadOnlyList<string> labels)
    {
        var html = new StringBuilder().Append(CultureInfo.InvariantCulture, $"<details><summary><span class=\"chip\">step {t.Step}</span><span class=\"chip\">{t.Tier.ToString().ToLowerInvariant()}</span>{chip}{Svg.Escape(t.User)}</summary>\n");
        void Block(string name, string? text) => html.Append(CultureInfo.InvariantCulture, $"<h4>{name}</h4><pre>{Svg.Escape(text)}</pre>\n");
        Block("System prompt", t.System);
        Block("User", t.User);
        if (t.FormatProblem is not null) Block($"Response as written ({Svg.Escape(t.FormatProblem)}; ended by {Svg.Escape(t.FinishReason)})", t.AssistantText);
        if (t.Reasoning is not null) Block("Scratchpad", t.Reasoning);
        if (t.Output is not null) Block("Output", t.Output);
        if (labels.Count > 0) Block("Labels", string.Join('\n', labels));
        if (t.Rewards.Count > 0) Block("Rewards", string.Join('\n', t.Rewards.Select(r => string.Create(CultureInfo.InvariantCulture, $"{r.Key}: {r.Value:0.####}"))));
        return html.Append("</details>\n").ToString();
    }
}
