using System.CommandLine;
using System.Reflection;
using RlHarness.Models.Kernels;

namespace RlHarness.Cli.Commands;

/// <summary>The child process in which libtorch's micro-kernel is tried; not listed by <c>--help</c>.</summary>
internal static class KernelTrialCommand
{
    private const string Name = "try-kernels";

    /// <summary>Says how to start this program for the trial. The key is a constant, so that nothing is loaded: a report needs no libtorch.</summary>
    internal static void Announce()
    {
        if (Environment.ProcessPath is not { } program)
            return;
        // dotnet rlharness.dll: the host needs the assembly's path again.
        var hosted = string.Equals(Path.GetFileNameWithoutExtension(program), "dotnet", StringComparison.OrdinalIgnoreCase);
        var assembly = Assembly.GetExecutingAssembly().Location;
        AppContext.SetData(MicroKernelTrial.CommandKey, string.Join('\n', hosted ? [program, assembly, Name] : new[] { program, Name }));
    }

    internal static Command Create()
    {
        var command = new Command(Name, "Try libtorch's micro-kernel against its own products.") { Hidden = true };
        command.SetAction(_ =>
            CommandLine.Guard(() =>
            {
                var outcome = MicroKernelTrial.Run();
                Console.WriteLine(outcome.Words);
                return outcome.Passed ? 0 : (int)ExitCode.CheckFailed;
            })
        );
        return command;
    }
}
