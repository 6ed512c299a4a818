using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Training.Collectives;

namespace RlHarness.Cli.Launch;

/// <summary>Starts ranks on this machine by an MPI's own launcher.</summary>
internal static partial class LocalMpi
{
    internal const string OpenMpi = "openmpi";
    internal const string Mpich = "mpich";

    /// <param name="Words">The launcher with its options, the program, its arguments.</param>
    /// <param name="Environment">Variables that the launcher needs.</param>
    internal sealed record CommandLine(IReadOnlyList<string> Words, IReadOnlyList<(string Name, string Value)> Environment);

    /// <summary>The command that starts so many ranks of a program.</summary>
    /// <param name="mpi">Which MPI; null: the one that is there.</param>
    /// <param name="path">Where launchers are looked for; null: PATH.</param>
    /// <exception cref="HarnessException">There is none, or this process is a rank itself.</exception>
    internal static CommandLine Line(int ranks, string? mpi, IReadOnlyList<string> program, string? path = null)
    {
        if (Launcher.Current is { } launcher)
            throw new HarnessException(
                ErrorKind.BadInput,
                "launch local starts ranks, and is one itself",
                $"started by {launcher.Name} as one of {launcher.Size}",
                "a process that was started alone",
                "give mpirun the command that follows `--`"
            );
        var n = ranks.ToString(CultureInfo.InvariantCulture);
        path ??= Environment.GetEnvironmentVariable("PATH") ?? "";
        if (mpi is null or OpenMpi && Find(path, "mpirun.openmpi", "mpirun") is { } mpirun && (mpi is OpenMpi || IsOpenMpi(mpirun)))
            // Unbound: each rank then sees all cores, and takes its share of them. More ranks than cores are let through.
            return new(
                [mpirun, "-np", n, "--bind-to", "none", "--map-by", "slot:OVERSUBSCRIBE", .. program],
                IsRoot ? [("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")] : []
            );
        if (mpi is null or Mpich && Find(path, "mpiexec.mpich", "mpiexec.hydra") is { } mpiexec)
            return new([mpiexec, "-n", n, .. program], []);
        throw new HarnessException(
            ErrorKind.Resource,
            "no launcher of MPI is here",
            $"none of {(mpi is Mpich ? "" : "mpirun.openmpi, mpirun")}{(mpi is null ? ", " : "")}"
                + $"{(mpi is OpenMpi ? "" : "mpiexec.mpich, mpiexec.hydra")} in PATH",
            "Open MPI or MPICH",
            "apt-get install openmpi-bin (or mpich), or load the cluster's module"
        );
    }

    /// <summary>Starts it and waits. A signal to this process asks the ranks to save and stop; they have all the time that it takes.</summary>
    /// <returns>The launcher's code; that of the signal where the ranks stopped for one.</returns>
    internal static int Run(CommandLine line, CancellationToken cancellation)
    {
        // In a session of their own, so that Ctrl-C reaches this process alone: Open MPI's launcher would end the ranks within seconds.
        string[] words = Find(Environment.GetEnvironmentVariable("PATH") ?? "", "setsid") is { } setsid ? [setsid, .. line.Words] : [.. line.Words];
        var start = new ProcessStartInfo(words[0], words[1..]);
        foreach (var (name, value) in line.Environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        StopSignals.Child = process.Id;
        try
        {
            try
            {
                process.WaitForExitAsync(cancellation).GetAwaiter().GetResult();
            }
            catch (OperationCanceledException)
            {
                StopSignals.Save(process.Id);
                process.WaitForExit();
            }
        }
        finally
        {
            StopSignals.Child = 0;
        }

        // MPICH's launcher was seen to return 0 of ranks that ended with 0 and 75.
        return process.ExitCode is 0 or (int)ExitCode.Requeue && StopSignals.HasCome ? (int)StopSignals.Code : process.ExitCode;
    }

    private static string? Find(string path, params string[] names) =>
        names
            .SelectMany(name => path.Split(Path.PathSeparator).Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);

    /// <summary>Which MPI a plain <c>mpirun</c> belongs to.</summary>
    private static bool IsOpenMpi(string mpirun)
    {
        if (mpirun.EndsWith(".openmpi", StringComparison.Ordinal))
            return true;
        try
        {
            using var process = Process.Start(new ProcessStartInfo(mpirun, ["--version"]) { RedirectStandardOutput = true })!;
            var said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return said.Contains("Open MPI", StringComparison.Ordinal) || said.Contains("OpenRTE", StringComparison.Ordinal);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static bool IsRoot => !OperatingSystem.IsWindows() && UserId() == 0;

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint UserId();
}
