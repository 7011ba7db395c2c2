/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virt-membacking-adopt: gives a running QEMU a userfaultfd, from outside. */

int main(void)
{
	return 1;
}
