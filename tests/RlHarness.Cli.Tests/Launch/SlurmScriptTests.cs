using System.Diagnostics;
using RlHarness.Cli.Commands;
using RlHarness.Cli.Launch;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Tests;

namespace RlHarness.Cli.Tests.Launch;

/// <summary>Job scripts as text, and what bash does with them. That Slurm does with them what is meant: scripts/e2e/slurm.</summary>
[Trait("kind", "contract")]
public class SlurmScriptTests
{
    private static readonly SlurmJob One = new()
    {
        Name = "tiny",
        Profile = new()
        {
            Time = "1:00:00",
            Memory = "8G",
            Partition = "cpu",
        },
        WorkingFolder = "/home/me/work",
        LogFolder = "/home/me/work/checkpoints/jobs/tiny",
        Program = ["/opt/rlharness/rlharness"],
        SignalSeconds = 90,
        Configs = ["/home/me/work/checkpoints/jobs/tiny/tiny.yaml"],
    };

    [Fact]
    public void The_script_of_one_run() =>
        Assert.Equal(
            """
            #!/usr/bin/env bash
            # Written by rlharness launch slurm (docs/cluster.md); launching again writes it anew.
            #SBATCH --job-name=tiny
            #SBATCH --chdir=/home/me/work
            #SBATCH --time=1:00:00
            #SBATCH --nodes=1
            #SBATCH --ntasks=1
            #SBATCH --cpus-per-task=4
            #SBATCH --mem=8G
            #SBATCH --partition=cpu
            #SBATCH --output=/home/me/work/checkpoints/jobs/tiny/%j.log
            #SBATCH --open-mode=append
            #SBATCH --requeue
            #SBATCH --signal=USR1@90

            # This shell outlives SIGTERM, so that the program has all of the time between SIGTERM and SIGKILL to save.
            trap : TERM

            config=/home/me/work/checkpoints/jobs/tiny/tiny.yaml
            job=$SLURM_JOB_ID
            restarts=${SLURM_RESTART_COUNT:-0}
            say() { echo "$(date '+%Y-%m-%d %H:%M:%S') job $job, start $((restarts + 1)): $*"; }
            export RLHARNESS_SIGNAL_SECONDS=90

            say "$config on $(hostname)"
            srun --ntasks=1 --cpus-per-task=4 /opt/rlharness/rlharness train "$config" --or-resume < /dev/null
            code=$?
            say "the program ended with $code"

            # 75: stopped by SIGUSR1 and saved. 138: SIGUSR1 came before the program listened, so that there was nothing to save.
            if [ "$code" -ne 75 ] && [ "$code" -ne 138 ]; then exit "$code"; fi
            if [ "$restarts" -ge 200 ]; then
                say "requeued 200 times, which is all that max_requeues allows; launch it again to go on"
                exit 75
            fi
            say "requeues itself"
            scontrol requeue "$job" || say "could not be requeued; launch it again to go on"
            exit 75

            """,
            SlurmScript.Text(One)
        );

    [Fact]
    public void The_script_of_an_array_with_modules_variables_and_a_container()
    {
        var job = One with
        {
            IsArray = true,
            AtOnce = 2,
            Configs = ["/w/a b.yaml", "/w/it's.yaml"],
            WorkingFolder = "/w",
            LogFolder = "/w/100% jobs",
            Program = ["dotnet", "/opt/rl/rlharness.dll"],
            Profile = new()
            {
                Time = "1-0",
                Gpus = 1,
                Account = "lab",
                Qos = "long",
                Constraint = "a100|h100",
                Directives = ["--exclude=node7"],
                Modules = ["cuda/12.8"],
                Environment = new Dictionary<string, string> { ["HF_HOME"] = "/scratch/a b" },
                Before = ["ulimit -c 0"],
                Srun = ["--cpu-bind=none"],
                MaxRequeues = 3,
                Container = new()
                {
                    Image = "/images/torch.sif",
                    Bind = ["/scratch"],
                    Options = ["--no-home"],
                },
            },
        };
        var script = SlurmScript.Text(job);
        Assert.StartsWith(
            """
            #!/usr/bin/env bash
            # Written by rlharness launch slurm (docs/cluster.md); launching again writes it anew.
            #SBATCH --job-name=tiny
            #SBATCH --chdir=/w
            #SBATCH --time=1-0
            #SBATCH --nodes=1
            #SBATCH --ntasks=1
            #SBATCH --cpus-per-task=4
            #SBATCH --gpus=1
            #SBATCH --account=lab
            #SBATCH --qos=long
            #SBATCH --constraint="a100|h100"
            #SBATCH --output="/w/100%% jobs/%A_%a.log"
            #SBATCH --open-mode=append
            #SBATCH --requeue
            #SBATCH --signal=USR1@90
            #SBATCH --array=0-1%2
            #SBATCH --exclude=node7

            # This shell outlives SIGTERM, so that the program has all of the time between SIGTERM and SIGKILL to save.
            trap : TERM

            type module > /dev/null 2>&1 || . /etc/profile
            module load cuda/12.8 || { echo 'error: a module could not be loaded' >&2; exit 4; }
            export HF_HOME='/scratch/a b'
            ulimit -c 0

            configs=(
                '/w/a b.yaml'
                '/w/it'\''s.yaml'
            )
            config=${configs[$SLURM_ARRAY_TASK_ID]}

            """,
            script
        );
        Assert.Contains(
            "\nsrun --ntasks=1 --cpus-per-task=4 --cpu-bind=none apptainer exec --nv --bind /w --bind '/w/100% jobs' --bind /opt/rl --bind /scratch --pwd /w "
                + "--no-home /images/torch.sif dotnet /opt/rl/rlharness.dll train \"$config\" --or-resume < /dev/null\n",
            script,
            StringComparison.Ordinal
        );
        // The report needs no GPU, and waits for the dependency that it is submitted with.
        var report = SlurmScript.Report(job, ["report", "/w/a b"]);
        Assert.Contains("#SBATCH --job-name=tiny-report\n", report, StringComparison.Ordinal);
        Assert.DoesNotContain("--gpus", report, StringComparison.Ordinal);
        Assert.DoesNotContain("--nv", report, StringComparison.Ordinal);
        Assert.EndsWith("dotnet /opt/rl/rlharness.dll report '/w/a b' < /dev/null\n", report, StringComparison.Ordinal);
    }

    [Fact]
    public void The_script_of_ranks_over_nodes()
    {
        var job = One with
        {
            Profile = new()
            {
                Ranks = 8,
                Nodes = 2,
                Mpi = "pmix",
                Cpus = 6,
                Gpus = 1,
                Srun = ["--cpu-bind=cores"],
            },
        };
        var lines = SlurmScript.Text(job).Split('\n');
        // Four ranks and four GPUs on each of two nodes.
        Assert.Equal(
            ["#SBATCH --nodes=2", "#SBATCH --ntasks=8", "#SBATCH --ntasks-per-node=4", "#SBATCH --cpus-per-task=6", "#SBATCH --gpus-per-node=4"],
            lines
                .Where(l =>
                    l.Contains("nodes=", StringComparison.Ordinal)
                    || l.Contains("task", StringComparison.Ordinal)
                    || l.Contains("gpus", StringComparison.Ordinal)
                )
                .Take(5)
        );
        Assert.Contains(
            "srun --ntasks=8 --cpus-per-task=6 --mpi=pmix --kill-on-bad-exit=0 --wait=30 --cpu-bind=cores /opt/rlharness/rlharness train "
                + "\"$config\" --or-resume < /dev/null",
            lines
        );
        // The report is one process on one node.
        var report = SlurmScript.Report(job, ["report", "/w"]).Split('\n');
        Assert.Contains("#SBATCH --ntasks=1", report);
        Assert.Contains("#SBATCH --nodes=1", report);
        Assert.Contains("srun --ntasks=1 --cpus-per-task=6 --cpu-bind=cores /opt/rlharness/rlharness report /w < /dev/null", report);
        // Ranks of one node need no number for each node.
        Assert.DoesNotContain(
            "per-node",
            SlurmScript.Text(
                job with
                {
                    Profile = new() { Ranks = 2, Mpi = "pmi2" },
                }
            ),
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("ranks: 3\nnodes: 2\nmpi: pmix", "nodes: 2 for 3 ranks")]
    [InlineData("ranks: 2", "mpi: none for 2 ranks")]
    [InlineData("mpi: openmpi", "pmix, pmi2, none")]
    public void Ranks_that_could_not_be_started_are_refused(string profile, string words)
    {
        var error = Assert.Throws<HarnessException>(() => SettingsReader.Parse<ClusterProfile>("p.yaml", profile, [], ClusterProfile.Problems));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    // Ended well, with an error, by scancel: nothing is requeued, and the code is the job's.
    [InlineData(0, 0, 0, null)]
    [InlineData(6, 0, 6, null)]
    [InlineData(143, 0, 143, null)]
    // Stopped before the limit, or before the program listened: the task requeues itself, and no other.
    [InlineData(75, 0, 75, "requeue 17_1")]
    [InlineData(138, 2, 75, "requeue 17_1")]
    // As often as it may.
    [InlineData(75, 3, 75, null)]
    public void Bash_requeues_a_task_that_was_stopped(int code, int restarts, int ends, string? asked)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "bash is needed");
        using var folder = new TemporaryFolder();
        var job = One with
        {
            IsArray = true,
            Configs = ["/w/a.yaml", "/w/it's b.yaml"],
            Profile = new() { MaxRequeues = 3 },
        };
        var (got, said) = Bash(folder, SlurmScript.Text(job), code, restarts);
        Assert.True(ends == got, said);
        Assert.Equal(
            $"srun --ntasks=1 --cpus-per-task=4 /opt/rlharness/rlharness train /w/it's b.yaml --or-resume{(asked is null ? "" : $"\nscontrol {asked}")}",
            File.ReadAllText(folder.At("asked")).TrimEnd()
        );
        Assert.Contains($"job 17_1, start {restarts + 1}: the program ended with {code}", said, StringComparison.Ordinal);
    }

    /// <summary>
    /// Runs a script as task 1 of array 17 with an srun that ends with a code, and a scontrol that does nothing; each says what it was asked.
    /// </summary>
    private static (int Code, string Said) Bash(TemporaryFolder folder, string script, int code, int restarts)
    {
        var bin = Directory.CreateDirectory(folder.At("bin")).FullName;
        foreach (var (name, ends) in new[] { ("srun", code), ("scontrol", 0) })
        {
            var path = folder.Write($"bin/{name}", $"#!/bin/sh\necho {name} \"$@\" >> {folder.At("asked")}\nexit {ends}\n");
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(folder.Write("job.sh", script));
        start.Environment["PATH"] = $"{bin}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["SLURM_JOB_ID"] = "17";
        start.Environment["SLURM_ARRAY_JOB_ID"] = "17";
        start.Environment["SLURM_ARRAY_TASK_ID"] = "1";
        start.Environment["SLURM_RESTART_COUNT"] = $"{restarts}";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    [Theory]
    [InlineData("generic")]
    [InlineData("modules")]
    [InlineData("apptainer")]
    public void A_profile_that_is_shipped_has_no_problems(string name)
    {
        var profile = SettingsReader.Read<ClusterProfile>(Repository.At("configs", "clusters", name + ".yaml"), [], ClusterProfile.Problems);
        Assert.Equal(name == "apptainer", profile.Container is not null);
        Assert.Equal(name == "modules", profile.Modules.Count > 0);
        // The generic one lists the defaults, for people to start from.
        Assert.Equal(name == "generic", SettingsWriter.ToYaml(profile) == SettingsWriter.ToYaml(new ClusterProfile()));
    }

    [Fact]
    public void Every_key_of_a_profile_is_in_the_page_about_clusters()
    {
        var page = File.ReadAllText(Repository.At("docs", "cluster.md"));
        foreach (var property in typeof(ClusterProfile).GetProperties())
            Assert.Contains($"`{SettingNames.Snake(property.Name)}`", page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_wrong_with_a_profile_is_said_all_at_once()
    {
        const string profile = """
            partitoin: gpu
            time: tomorrow
            gpus: 2
            directives: [exclude=node7]
            before: ["a\nb"]
            environment: { "A B": c }
            container: { kind: docker }
            """;
        var error = Assert.Throws<HarnessException>(() => SettingsReader.Parse<ClusterProfile>("p.yaml", profile, [], ClusterProfile.Problems));
        Assert.All(["did you mean partition?", "gpus: 2; allowed: 0 to 1", "docker"], w => Assert.Contains(w, error.Message, StringComparison.Ordinal));
        var sound = profile.Replace("partitoin", "partition", StringComparison.Ordinal).Replace("gpus: 2", "gpus: 1", StringComparison.Ordinal);
        error = Assert.Throws<HarnessException>(() =>
            SettingsReader.Parse<ClusterProfile>(
                "p.yaml",
                sound.Replace("docker", "apptainer", StringComparison.Ordinal),
                ["signal_before=70"],
                ClusterProfile.Problems
            )
        );
        Assert.All(["\"tomorrow\"", "\"exclude=node7\"", "before: holds a line break", "\"A B\"", "container.image: empty"], w =>
            Assert.Contains(w, error.Message, StringComparison.Ordinal)
        );
        error = Assert.Throws<HarnessException>(() =>
            SettingsReader.Parse<ClusterProfile>("p.yaml", "time: \"1\"", ["signal_before=60"], ClusterProfile.Problems)
        );
        Assert.Contains("60 s; the time limit is 60 s", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    // The forms that `man sbatch` lists under --time.
    [InlineData("90", 5400)]
    [InlineData("1:30", 90)]
    [InlineData("1:00:30", 3630)]
    [InlineData("2-3", 183600)]
    [InlineData("2-3:04", 183840)]
    [InlineData("2-3:04:05", 183845)]
    [InlineData("UNLIMITED", null)]
    public void Times_are_read_as_sbatch_reads_them(string time, int? seconds) => Assert.Equal(seconds, ClusterProfile.Seconds(time));

    [Fact]
    public void A_list_of_seeds_has_numbers_and_ranges()
    {
        Assert.Equal([1, 2, 5, 6, 7], LaunchCommand.Seeds("1,2,5-7"));
        foreach (var list in new[] { "", "a", "3-1", "1,,2", "-1", "1-2-3" })
            Assert.Throws<HarnessException>(() => LaunchCommand.Seeds(list));
    }

    [Fact]
    public void The_queue_is_read_task_by_task()
    {
        var queue = Slurm.Read("17_1|RUNNING|None|2026-12-01T01:00:00|node3\n17_2|PENDING|BeginTime|2026-12-01T01:02:00|\n18|PENDING|Dependency|N/A|\n");
        Assert.Equal(["17_1", "17_2", "18"], queue.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("RUNNING on node3", queue["17_1"].Words);
        Assert.False(queue["17_1"].IsWaiting);
        Assert.Equal("PENDING (BeginTime), to start at 2026-12-01 01:02:00", queue["17_2"].Words);
        Assert.Equal("PENDING (Dependency)", queue["18"].Words);
    }
}
