using System.Text.Json;
using Microsoft.Data.Sqlite;
using RlHarness.Core.Settings;
using RlHarness.Recipes.Settings;
using RlHarness.Tests;
using RlHarness.Tracking.Store;

namespace RlHarness.Cli.Tests.Launch;

/// <summary>`launch slurm` and `status` as commands, with stand-ins for Slurm's programs: the real ones are asked in scripts/e2e/slurm.</summary>
[Trait("kind", "contract")]
public class LaunchTests
{
    private static Harness.Result Run(TemporaryFolder folder, params string[] args) =>
        Harness.RunWith(folder.Path, "", [("PATH", $"{folder.At("bin")}:{Environment.GetEnvironmentVariable("PATH")}")], args);

    /// <summary>An sbatch that numbers what it is given from 17 on, and an squeue that prints a file.</summary>
    private static TemporaryFolder Cluster()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sh is needed");
        var folder = new TemporaryFolder();
        Program(folder, "sbatch", $"echo \"$@\" >> {folder.At("sbatch.log")}; echo $((16 + $(wc -l < {folder.At("sbatch.log")})))");
        Program(folder, "squeue", $"cat {folder.At("queue")} 2> /dev/null || true");
        return folder;
    }

    private static void Program(TemporaryFolder folder, string name, string text)
    {
        var path = folder.Write($"bin/{name}", $"#!/bin/sh\n{text}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static string[] Submitted(TemporaryFolder folder) => File.ReadAllLines(folder.At("sbatch.log"));

    [Fact]
    public void A_dry_run_prints_the_script_and_writes_nothing()
    {
        using var folder = Cluster();
        var result = Run(folder, "launch", "slurm", Repository.At("configs", "quickstart.yaml"), "seed=3", "--time", "2:00:00", "--dry-run");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        foreach (
            var words in new[]
            {
                "# SIGUSR1 600 s before the limit: the usual",
                "#SBATCH --time=2:00:00",
                $"config={folder.At("checkpoints", "jobs", "quickstart", "quickstart.yaml")}",
                "rlharness.dll train \"$config\" --or-resume",
                "# nothing was written or submitted",
            }
        )
            Assert.Contains(words, result.Output, StringComparison.Ordinal);
        Assert.Equal(["bin"], Directory.GetFileSystemEntries(folder.Path).Select(p => Path.GetFileName(p)!));
    }

    [Fact]
    public void A_run_is_submitted_with_its_settings_and_a_second_job_of_it_is_refused()
    {
        using var folder = Cluster();
        var config = Repository.At("configs", "quickstart.yaml");
        var result = Run(folder, "launch", "slurm", config, "seed=3", "--gpus", "1");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        var jobs = folder.At("checkpoints", "jobs", "quickstart");
        Assert.Equal([$"--parsable {Path.Combine(jobs, "job.sh")}"], Submitted(folder));
        Assert.Contains("job 17: quickstart", result.Output, StringComparison.Ordinal);
        var settings = SettingsReader.Read<RunSettings>(Path.Combine(jobs, "quickstart.yaml"), []);
        // Who asks for a GPU is not to get a processor in its place.
        Assert.Equal((3, "cuda"), (settings.Seed, settings.Device));
        folder.Write("queue", "17|PENDING|Resources|N/A|\n");
        Run(folder, "launch", "slurm", config, "seed=3").Fails(5, "is in the queue", "job 17, PENDING (Resources)", "scancel 17");
        Assert.Single(Submitted(folder));
        var status = Run(folder, "status", "checkpoints", "--json");
        var run = JsonDocument.Parse(status.Output).RootElement.EnumerateArray().Single();
        Assert.Equal(
            ("quickstart", "waiting", "17", "PENDING (Resources)"),
            (
                run.GetProperty("name").GetString(),
                run.GetProperty("state").GetString(),
                run.GetProperty("job").GetString(),
                run.GetProperty("detail").GetString()
            )
        );
        folder.Write("checkpoints/other/run.json", "{}");
        folder.Write("checkpoints/other/config.yaml", "name: other\nrl: { steps: 7 }\n");
        Run(folder, "launch", "slurm", config, "name=other").Fails(5, "a run of this name is there, with other settings", "rl.steps=40 was given");
        folder.Write("queue", "\n");
        status = Run(folder, "status", "checkpoints");
        Assert.Matches("(?m)^other +stopped", status.Output);
        Assert.Contains("the job left the queue before the run began: " + Path.Combine(jobs, "17.log"), status.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_runs_of_a_design_s_seeds_go_before_the_others_and_a_report_after_all()
    {
        using var folder = Cluster();
        var design = Repository.At("configs", "factorial.yaml");
        var result = Run(folder, "launch", "slurm", design, "rl.steps=5", "--array", "1-2", "--parallel", "3", "--time", "90");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        var jobs = folder.At("checkpoints", "factorial", "jobs");
        Assert.Equal(
            [$"--parsable {jobs}/job.sh", $"--parsable --dependency=afterany:17 {jobs}/later.sh", $"--parsable --dependency=afterany:17:18 {jobs}/report.sh"],
            Submitted(folder)
        );
        Assert.Contains("#SBATCH --array=0-1%3\n", File.ReadAllText(Path.Combine(jobs, "job.sh")), StringComparison.Ordinal);
        // Eight cells with two seeds each, of which one a seed went before.
        Assert.Contains("#SBATCH --array=0-13%3\n", File.ReadAllText(Path.Combine(jobs, "later.sh")), StringComparison.Ordinal);
        Assert.EndsWith(
            $" experiment factorial {design} rl.steps=5 'seeds=[1, 2]' --report < /dev/null\n",
            File.ReadAllText(Path.Combine(jobs, "report.sh")),
            StringComparison.Ordinal
        );
        var settings = Directory.GetFiles(jobs, "*.yaml").Select(f => SettingsReader.Read<RunSettings>(f, [], (s, _) => SettingsChecks.Of(s))).ToArray();
        Assert.Equal(16, settings.Length);
        Assert.All(settings, s => Assert.Equal(5, s.Rl.Steps));
        // Tasks that start on another day than the first belong to one design all the same.
        Assert.Single(settings.Select(s => s.Date).Distinct());
        Assert.NotNull(settings[0].Date);
        // Not finished, the design is not analysed.
        Run(folder, "experiment", "factorial", design, "rl.steps=5", "seeds=[1, 2]", "--report").Fails(1, "16 of 16 runs are not finished");
    }

    [Fact]
    public void What_Slurm_says_against_a_job_is_passed_on()
    {
        using var folder = Cluster();
        Program(folder, "sbatch", "echo 'sbatch: error: invalid partition specified: nowhere' >&2; exit 1");
        var config = Repository.At("configs", "quickstart.yaml");
        Run(folder, "launch", "slurm", config, "--partition", "nowhere").Fails(4, "did not take the job", "invalid partition specified: nowhere");
        File.Delete(folder.At("bin", "sbatch"));
        Harness.RunWith(folder.Path, "", [("PATH", folder.At("bin"))], "launch", "slurm", config).Fails(4, "sbatch can't be run", "--dry-run");
        Run(folder, "launch", "slurm", config, "--nodes", "2").Fails(2, "nodes: 2 for 1 ranks");
        // Each rank would be number 0 and write the same folder.
        Run(folder, "launch", "slurm", config, "--ranks", "2").Fails(2, "mpi: none for 2 ranks", "pmix (Open MPI) or pmi2 (MPICH)");
        Run(folder, "launch", "slurm", config, "--ranks", "33", "--mpi", "pmix", "rl.prompts_per_step=32").Fails(2, "33 ranks", "rl.prompts_per_step 32");
        Run(folder, "launch", "slurm", config, "--time", "soon", "--gpus", "3").Fails(2, "gpus: 3; allowed: 0 to 1");
        Run(folder, "launch", "slurm", "none.yaml").Fails(2, "none.yaml: no such settings file");
    }

    /// <summary>A run's folder as a process leaves it, with rows as they are given.</summary>
    private static void FakeRun(TemporaryFolder folder, string name, Action<RunStore> rows)
    {
        folder.Write($"runs/{name}/run.json", "{}");
        folder.Write($"runs/{name}/config.yaml", "stages: [corpus, imitate]\n");
        using var store = RunStore.Open(folder.At("runs", name, "run.db"));
        rows(store);
    }

    [Fact]
    public void Status_tells_runs_apart_by_what_their_files_say_and_keeps_no_writer_waiting()
    {
        using var folder = new TemporaryFolder();
        void Step(RunStore s, long step) => s.Commit(new StepBatch("imitate", step) { Metrics = new Dictionary<string, double> { ["lr"] = 0.1 } });
        FakeRun(folder, "a-finished", s =>
        {
            foreach (var stage in new[] { "corpus", "imitate" })
            {
                s.StartStage(stage);
                s.EndStage(stage, "done");
            }

            Step(s, 12);
            s.KeepNote("steps/imitate", "12");
        });
        FakeRun(folder, "b-failed", s =>
        {
            s.StartStage("corpus");
            s.EndStage("corpus", "done");
            s.StartStage("imitate");
            Step(s, 10);
            s.AddEvent("imitate", 10, "warning", "step 10: loss/imitation is 99 nats (alarms.loss_above_guessing); usual causes: …");
            s.EndStage("imitate", "failed", "imitate stopped at step 10\nmore");
        });
        FakeRun(folder, "c-killed", s => s.StartStage("corpus"));
        FakeRun(folder, "d-cut", _ => { });
        using (var cut = new FileStream(folder.At("runs", "d-cut", "run.db"), FileMode.Open))
            cut.SetLength(100);
        folder.Write("runs/e-begun/run.json", "{}");
        folder.Write("runs/e-begun/config.yaml", "{}");
        folder.Write("runs/design/f-cell/run.json", "{}");
        folder.Write("runs/design/f-cell/config.yaml", "{}");

        // A writer in the middle of a step.
        using var writer = new SqliteConnection($"Data Source={folder.At("runs", "c-killed", "run.db")};Pooling=False");
        writer.Open();
        using var begin = writer.CreateCommand();
        begin.CommandText = "BEGIN IMMEDIATE; INSERT INTO meta VALUES ('half', 'a step')";
        begin.ExecuteNonQuery();
        var result = Harness.Run(folder.Path, "status", "runs", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        using var commit = writer.CreateCommand();
        commit.CommandText = "PRAGMA busy_timeout = 0; COMMIT";
        commit.ExecuteNonQuery();

        var runs = JsonDocument.Parse(result.Output).RootElement.EnumerateArray().ToDictionary(r => r.GetProperty("name").GetString()!);
        string? Text(string run, string name) => runs[run].GetProperty(name).ToString() is { Length: > 0 } text ? text : null;
        Assert.Equal(["a-finished", "b-failed", "c-killed", "d-cut", "design/f-cell", "e-begun"], runs.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(
            ("finished", "imitate", "12", "12", null),
            (
                Text("a-finished", "state"),
                Text("a-finished", "stage"),
                Text("a-finished", "step"),
                Text("a-finished", "steps"),
                Text("a-finished", "last_alarm")
            )
        );
        Assert.Equal(
            ("failed", "10", "loss_above_guessing (imitate 10)", "imitate stopped at step 10"),
            (Text("b-failed", "state"), Text("b-failed", "step"), Text("b-failed", "last_alarm"), Text("b-failed", "detail"))
        );
        Assert.Equal(("stopped", "corpus", null), (Text("c-killed", "state"), Text("c-killed", "stage"), Text("c-killed", "step")));
        Assert.Equal("failed", Text("d-cut", "state"));
        Assert.Contains("run.db", Text("d-cut", "detail")!, StringComparison.Ordinal);
        Assert.Equal("stopped", Text("e-begun", "state"));

        result = Harness.Run(folder.Path, "status", "runs/b-failed");
        Assert.Matches(@"(?m)^b-failed +failed +– +imitate +10 +– +loss_above_guessing \(imitate 10\) +\S+ (s|min) ago$", result.Output);
        Harness.Run(folder.Path, "status", "none").Fails(3, "none: no such folder");
    }
}
