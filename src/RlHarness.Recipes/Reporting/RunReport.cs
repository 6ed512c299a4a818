using System.Globalization;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Progress;
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
    /// <param name="progress">Null: nobody is told how far it is.</param>
    public static string Write(string folder, ReportOptions? options = null, IRunProgress? progress = null)
    {
        options ??= new();
        ReportOptions Of(string run, string unit) =>
            options with
            {
                TokenTexts = RunTokens.Of(run),
                OnProgress = progress is null ? null : (done, total) => progress.Step(unit, done, total, []),
            };
        string[] runs =
            IsRun(folder) ? [folder]
            : Directory.Exists(folder) ? [.. Directory.GetDirectories(folder).Where(IsRun).Order(StringComparer.Ordinal)]
            : [];
        // Before anything is written: a report of a damaged store would stand in place of a whole one.
        foreach (var run in runs)
            CheckIntegrity(run);
        if (IsRun(folder))
            return ReportBuilder.Write(folder, Of(folder, "report: evaluation"));
        if (runs.Length == 0)
            throw HarnessException.BadFile(
                Path.Combine(folder, "run.db"),
                "no run store here",
                remedy: "give the folder of a run that was started, or one that holds runs"
            );
        foreach (var run in runs)
            ReportBuilder.Write(run, Of(run, $"report of {RunFolder.NameOf(run)}: evaluation"));
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

    /// <summary>Runs that differ by their seed alone are one variant.</summary>
    private static string Comparison(string folder, string[] runs, ReportOptions options)
    {
        var title = PlainPage.Escape(RunFolder.NameOf(folder));
        var grouped = RunGroups.Of(runs);
        var links = new StringBuilder();
        foreach (var group in grouped.GroupBy(r => r.Group))
        {
            links.Append(CultureInfo.InvariantCulture, $"<h3>{PlainPage.Escape(group.Key)}</h3>\n<ul>\n");
            foreach (var run in group)
            {
                var name = Path.GetFileName(run.Folder);
                var seed = run.Seed is { } s ? string.Create(CultureInfo.InvariantCulture, $", seed {s}") : "";
                links.Append(
                    CultureInfo.InvariantCulture,
                    $"<li><a href=\"{Uri.EscapeDataString(name)}/report.html\">{PlainPage.Escape(name)}</a>{State(run.Folder)}{seed}</li>\n"
                );
            }

            links.Append("</ul>\n");
        }

        VariantRun[] variants = [.. grouped.Select(r => new VariantRun(r.Group, r.Seed, r.Folder, options.Detector))];
        return PlainPage.Of(
            title,
            $"<h1>{title}</h1>\n{VariantPictures.Html(variants)}<h2>Runs</h2>\n{links}"
        );
    }

    /// <summary>What is to be known of a run before its figures are compared: that it failed, goes on, or was never evaluated.</summary>
    private static string State(string run)
    {
        using var store = RunStore.OpenReadOnly(Path.Combine(run, "run.db"));
        var state = ReportBuilder.State(store.Stages(), store.Summaries().Count > 0);
        return state is null ? "" : $" <span class=\"status\">({PlainPage.Escape(state)})</span>";
    }
}
