using System.Globalization;
using System.Text;
using RlHarness.Models.Verification;

namespace RlHarness.Tools.Fidelity;

/// <summary>docs/fidelity.md: the largest errors by family.</summary>
public static class FidelityPage
{
    private static readonly (string Group, string Title)[] Groups =
    [
        ("models", "Families"),
        ("adapters", "LoRA adapters"),
        ("gguf", "GGUF"),
        ("smollm2", "The real SmolLM2-135M-Instruct"),
    ];

    /// <summary>The page; it names no path and no machine, so that it differs from one to another by rounding alone.</summary>
    public static string Markdown(FidelityReport report)
    {
        var page = new StringBuilder(
            "# Fidelity\n\nHow far this program is from transformers, PEFT, gguf-py, tokenizers and jinja2 on their own values: the "
                + "largest error of each kind over all golden cases, in fp32 on the CPU.\n"
                + "This page is written by `rlharness-tools fidelity --out docs/fidelity.md`; on another processor the last digits differ.\n"
        );
        page.Append(
            CultureInfo.InvariantCulture,
            $"\n{(report.Passed ? "Everything is within its tolerance." : "**Something is beyond its tolerance**: in bold below.")}\n"
        );
        foreach (var (group, title) in Groups)
        {
            var rows = report.Rows.Where(row => row.Group == group).ToArray();
            if (rows.Length > 0)
                Errors(page, title, rows);
        }

        foreach (
            var (group, title) in new[]
            {
                ("gguf/blocks", "Quantised blocks (values that are equal bit for bit)"),
                ("tokenizers", "Tokenizers (ids, offsets, decoded and streamed texts that are equal)"),
                ("chat_templates", "Chat templates (renderings and errors that are equal)"),
            }
        )
        {
            var counts = report.Exact.Where(count => count.Group == group).ToArray();
            if (counts.Length > 0)
                Counts(page, title, counts);
        }

        if (report.Absent.Count > 0)
            page.Append("\n## Not compared\n").AppendJoin('\n', report.Absent.Select(line => "- " + line)).Append('\n');
        return page.ToString();
    }

    // The unit of a check goes below its name.
    private static string Heading(string kind) => kind.Replace(" (", "<br>`", StringComparison.Ordinal).Replace(")", "`", StringComparison.Ordinal);

    private static void Errors(StringBuilder page, string title, FidelityRow[] rows)
    {
        var kinds = rows.SelectMany(row => row.Checks).Select(check => check.Kind).Distinct().ToArray();
        page.Append(CultureInfo.InvariantCulture, $"\n## {title}\n| family | cases | " + $"{string.Join(" | ", kinds.Select(Heading))} " + $"|\n");
        page.Append("|---|---|").Append(string.Concat(Enumerable.Repeat("---|", kinds.Length))).Append('\n');
        foreach (var family in rows.GroupBy(row => row.Family))
        {
            var cells = kinds.Select(kind => Cell([.. family.SelectMany(row => row.Checks).Where(check => check.Kind == kind)]));
            page.Append(
                CultureInfo.InvariantCulture,
                $"| {family.Key} | {string.Join(", ", family.Select(row => row.Case))} | {string.Join(" | ", cells)} |\n"
            );
        }

        var allowed = kinds
            .Select(kind => rows.SelectMany(row => row.Checks).Where(check => check.Kind == kind).MaxBy(check => check.Tolerance)!)
            .Select(check => check.Unit == "tokens" ? "0" : Number(check.Tolerance) + (check.Unit == "relative" ? " of the norm" : ""));
        page.Append(CultureInfo.InvariantCulture, $"| allowed | | {string.Join(" | ", allowed)} |\n");
    }

    private static string Cell(FidelityCheck[] checks)
    {
        if (checks.Length == 0)
            return "–";
        var tokens = checks[0].Unit == "tokens";
        var text = tokens
            ? string.Create(CultureInfo.InvariantCulture, $"{checks.Sum(check => check.Error):f0} of {checks.Sum(check => check.Compared)} differ")
            : Number(checks.Max(check => check.Error));
        return checks.All(check => check.Passed) ? text : $"**{text}**";
    }

    private static void Counts(StringBuilder page, string title, ExactCount[] counts)
    {
        page.Append(CultureInfo.InvariantCulture, $"\n## {title}\n| | equal |\n|---|---|\n");
        foreach (var count in counts)
            page.Append(
                CultureInfo.InvariantCulture,
                $"| {count.Case} | {(count.Equal == count.Total ? $"{count.Equal} of {count.Total}" : $"**{count.Equal} of {count.Total}**")} |\n"
            );
    }

    private static string Number(double value) => value.ToString("0.0e-0", CultureInfo.InvariantCulture);
}
