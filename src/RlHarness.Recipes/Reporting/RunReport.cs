using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Recipes.Experiments;
using RlHarness.Recipes.Reading;
using RlHarness.Tracking.Report;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Reporting;

/// <summary>
/// Writes <c>report.html</c> of what a folder holds: a run, a design, or runs to compare. Of several runs, each one's own report too, since links
/// lead there.
/// </summary>
public static class RunReport
{
    /// <summary>Returns the report's path.</summary>
    /// <exception cref="HarnessException">There is neither a run nor a folder of runs.</exception>
    public static string Write(string folder, ReportOptions? options = null)
    {
        options ??= new();
        string[] runs =
            IsRun(folder) ? [folder]
            : Directory.Exists(folder) ? [.. Directory.GetDirectories(folder).Where(IsRun).Order(StringComparer.Ordinal)]
            : [];
        // Before anything is written: a report of a damaged store would stand in place of a whole one.
        foreach (var run in runs)
            CheckIntegrity(run);
        if (IsRun(folder))
            return ReportBuilder.Write(folder, options with { TokenTexts = RunTokens.Of(folder) });
        if (runs.Length == 0)
            throw HarnessException.BadFile(
                Path.Combine(folder, "run.db"),
                "no run store here",
                remedy: "give the folder of a run that was started, or one that holds runs"
            );
        foreach (var run in runs)
            ReportBuilder.Write(run, options with { TokenTexts = RunTokens.Of(run) });
        var path = Path.Combine(folder, "report.html");
        AtomicFile.WriteAllText(path, FactorialAnalysis.Read(folder) is { } analysis ? FactorialPage.Of(analysis, folder) : Comparison(folder, runs, options));
        return path;
    }

    private static void CheckIntegrity(string run)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(run, "run.db"));
        store.CheckIntegrity();
    }

    private static bool IsRun(string folder) => File.Exists(Path.Combine(folder, "run.db"));

    /// <summary>Runs whose names differ by <c>-seedN</c> alone are one variant.</summary>
    private static string Comparison(string folder, string[] runs, ReportOptions options)
    {
        var title = PlainPage.Escape(RunFolder.NameOf(folder));
        var links = string.Join(
            '\n',
            runs.Select(Path.GetFileName)
                .Select(r => $"<li><a href=\"{Uri.EscapeDataString(r!)}/report.html\">{PlainPage.Escape(r)}" + $"</a>{State(Path.Combine(folder, r!))}</li>")
        );
        return PlainPage.Of(
            title,
            $"<h1>{title}</h1>\n{VariantPictures.Html([.. runs.Select(r => Named(r, options.Detector))])}<h2>Runs</h2>\n<ul>\n{links}\n</ul>\n"
        );
    }

    /// <summary>What is to be known of a run before its figures are compared: that it failed, goes on, or was never evaluated.</summary>
    private static string State(string run)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(run, "run.db"));
        var state = ReportBuilder.State(store.Stages(), store.Summaries().Count > 0);
        return state is null ? "" : $" <span class=\"status\">({PlainPage.Escape(state)})</span>";
    }

    private static VariantRun Named(string run, string? detector)
    {
        var name = Path.GetFileName(run);
        var at = name.LastIndexOf("-seed", StringComparison.Ordinal);
        return at > 0 && int.TryParse(name[(at + 5)..], out var seed) ? new(name[..at], seed, run, detector) : new(name, null, run, detector);
    }
}
