using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Tests;
using RlHarness.Tracking.Store;
using RlHarness.Tracking.Tests.Store;

namespace RlHarness.Recipes.Tests.Reporting;

/// <summary>The notebooks, executed by Jupyter on a small run: what they print is what run.db holds, to the digit.</summary>
[Trait("kind", "contract")]
public sealed class NotebookTests(NotebookTests.Run run) : IClassFixture<NotebookTests.Run>
{
    private const string Missing = "jupyter nbconvert is not there: apt-get install jupyter-nbconvert python3-ipykernel python3-pandas python3-matplotlib";

    public sealed class Run : IDisposable
    {
        private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-notebook-");

        public string Start(int seed)
        {
            var settings = TinyRun.Small(_root.FullName);
            return new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(
                settings with
                {
                    Seed = seed,
                    Name = $"seed-{seed}",
                    Corpus = settings.Corpus with { Transcripts = 60 },
                    Rl = settings.Rl with { Steps = 2, KlTarget = null },
                    Evaluate = settings.Evaluate with { Every = 1 },
                },
                "test"
            );
        }

        public void Dispose() => _root.Delete(recursive: true);
    }

    [Fact]
    public void The_notebook_of_a_run_shows_the_rates_of_run_db_also_while_the_run_writes()
    {
        Assert.SkipUnless(HasJupyter(), Missing);
        var path = run.Start(1);
        using (var reader = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
        {
            var expected = Rates(reader);
            Assert.Equal(6, expected.Length);
            Assert.Equal(expected, Printed(Execute("read_a_run.ipynb", ("RLHARNESS_RUN", path), ("RLHARNESS_OTHER", path)), "step,tier,value,lo,hi,n"));
        }

        // A run that a program of schema version 1 wrote.
        FirstVersion.Make(Path.Combine(path, "run.db"));
        using (var reader = RunStore.OpenReadOnly(Path.Combine(path, "run.db")))
            Assert.Equal(Rates(reader), Printed(Execute("read_a_run.ipynb", ("RLHARNESS_RUN", path)), "step,tier,value,lo,hi,n"));

        // A writer in the middle of a step, whose evaluation nobody is to see yet.
        using var store = RunStore.Open(Path.Combine(path, "run.db"));
        var before = Rates(store);
        store.Transaction(() =>
        {
            store.AddSummaries([
                .. store.Summaries("rl", metric: "af/reasoning_rate").Where(s => s.Step == 2 && s.Split == Split.Evaluation).Select(s => s with { Step = 3 }),
            ]);
            Assert.Equal(before, Printed(Execute("read_a_run.ipynb", ("RLHARNESS_RUN", path)), "step,tier,value,lo,hi,n"));
        });
        Assert.Equal(8, Printed(Execute("read_a_run.ipynb", ("RLHARNESS_RUN", path)), "step,tier,value,lo,hi,n").Length);
    }

    /// <summary>Two seeds; the interval by hand: t with one degree of freedom is 12.706, the standard error half the distance.</summary>
    [Fact]
    public void The_notebook_of_seeds_takes_each_as_one_observation()
    {
        Assert.SkipUnless(HasJupyter(), Missing);
        string[] paths = [run.Start(2), run.Start(3)];
        var notebook = Execute("compare_seeds.ipynb", ("RLHARNESS_RUNS", string.Join(Path.PathSeparator, paths)));
        var expected = paths.SelectMany(p =>
        {
            using var store = RunStore.OpenReadOnly(Path.Combine(p, "run.db"));
            return Rates(store).Select(r => $"{p[^1]},{string.Join(',', r.Split(',').Take(3))}");
        });
        Assert.Equal(expected, Printed(notebook, "seed,step,tier,value"));
    }

    private static string[] Rates(RunStore store) =>
        [
            .. store
                .Summaries("rl", "grammar_oracle", "af/reasoning_rate")
                .Where(s => s.Split == Split.Evaluation)
                .OrderBy(s => s.Step)
                .ThenBy(s => s.Tier.ToString(), StringComparer.Ordinal)
                .Select(s =>
                    FormattableString.Invariant(
                        $"{s.Step},{s.Tier.ToString()!.ToLowerInvariant()},{s.Estimate.Value:r},{s.Estimate.Low:r},{s.Estimate.High:r},{s.Estimate.N}"
                    )
                ),
        ];

    /// <summary>The lines of the table that a cell printed under this header, each number as .NET writes it.</summary>
    private static string[] Printed(JsonElement notebook, string header)
    {
        var text = notebook
            .GetProperty("cells")
            .EnumerateArray()
            .Where(c => c.TryGetProperty("outputs", out _))
            .SelectMany(c => c.GetProperty("outputs").EnumerateArray())
            .Where(o => o.TryGetProperty("text", out _))
            .Select(o => string.Concat(o.GetProperty("text").EnumerateArray().Select(t => t.GetString())))
            .Single(t => t.Contains(header, StringComparison.Ordinal));
        return
        [
            .. text[(text.IndexOf(header, StringComparison.Ordinal) + header.Length)..]
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line =>
                    string.Join(
                        ',',
                        line.Split(',')
                            .Select(cell =>
                                double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                                    ? number.ToString("r", CultureInfo.InvariantCulture)
                                    : cell
                            )
                    )
                ),
        ];
    }

    private static JsonElement Execute(string notebook, params (string Name, string Value)[] environment)
    {
        var folder = Directory.CreateTempSubdirectory("rlharness-executed-");
        try
        {
            var start = new ProcessStartInfo(
                "jupyter",
                ["nbconvert", "--to", "notebook", "--execute", "--output-dir", folder.FullName, Path.Combine(Repository.Root, "notebooks", notebook)]
            )
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            foreach (var (name, value) in environment)
                start.Environment[name] = value;
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, error + output.Result);
            return JsonDocument.Parse(File.ReadAllText(Path.Combine(folder.FullName, notebook))).RootElement;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static bool HasJupyter() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(p => File.Exists(Path.Combine(p, "jupyter-nbconvert")));
}
